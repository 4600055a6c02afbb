"""The file that an engine executes, and what the engine makes of it."""
