"""What the run's samples and records of time say: figures for the summary, and what is to be known of them."""
