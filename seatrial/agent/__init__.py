"""What runs on a board: one process a run, which holds the lease, starts engines and ends them, whatever happens.

Its own modules need Python's standard library alone: it is there before NumPy and a runtime are.
"""
