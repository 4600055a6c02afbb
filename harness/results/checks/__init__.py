"""The checks of a run: each module has those of one subject."""
