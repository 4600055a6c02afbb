"""How long the built targets of a run take to answer."""
