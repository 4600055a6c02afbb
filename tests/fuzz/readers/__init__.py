"""Everything that reads what comes from outside: one table, filled by a module for each kind."""

from __future__ import annotations

from importlib import import_module

from fuzz.readers.table import READERS

__all__ = ["READERS"]

# In the order of the table, which says what an input's number stands for.
_KINDS = (
    *("models", "images", "people", "judged", "run_files", "wire", "servers", "engines", "boards", "reports"),
    *("cache", "nodes"),
)
for _kind in _KINDS:
    import_module(f"fuzz.readers.{_kind}")
