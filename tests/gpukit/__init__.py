"""What a machine with a new GPU is asked in its first hour: every step in order, and one archive of what came of it.

`make gpu` calls it. Steps are data (`gpukit.steps`); each runs in a process of its own, and none ends the others.
"""
