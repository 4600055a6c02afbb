"""What was asked: plain data, checked."""
