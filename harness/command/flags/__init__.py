"""The flags of each part of a spec, declared in one place for all commands.

Each part's module has `add`, which puts its flags into a parser, and `take`, which takes them out of what is given and
returns the part: `base`, with what is given in place of its own. Flags are a contract: scripts and CI of users hang on
them.
"""
