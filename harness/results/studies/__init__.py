"""What a run says to a published study: its table, and each published sentence as a test."""
