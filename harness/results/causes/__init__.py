"""Causes of what a run measured: each module has those of one part, and says what to do about them."""
