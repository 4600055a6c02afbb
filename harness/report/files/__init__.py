"""What other programs read of a run, beside summary.json: each module makes one file's text from the summary alone."""
