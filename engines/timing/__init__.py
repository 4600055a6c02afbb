"""How long an engine takes to answer, measured beside it: in its own process, wherever that runs."""
