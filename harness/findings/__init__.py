"""Evidence of what may be wrong with a run: gathered with what it has at hand, written down, judged elsewhere."""
