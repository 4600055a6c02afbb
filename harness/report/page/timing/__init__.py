"""What the page says of time: who is fastest, how well that is known, and what stood in the way."""
