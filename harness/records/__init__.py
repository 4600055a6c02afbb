"""What lies in a run directory, and how it is read and written."""
