"""Numbers that flags may be, and what is said of others."""

from __future__ import annotations

from seatrial.errors import UsageError


def at_least(least: int, **values: int | None) -> None:
    """UsageError for a value below `least`, under its name as a flag; None is no value."""
    for name, value in values.items():
        if value is not None and value < least:
            raise UsageError(f"--{name.replace('_', '-')} is {value}; it must be at least {least}.")


def seeds(**values: int | None) -> None:
    """UsageError for what no generator is seeded with; None is no value."""
    for name, value in values.items():
        if value is not None and not 0 <= value < 2**63:
            raise UsageError(f"--{name.replace('_', '-')} is {value}; it must be from 0 to 2**63 - 1.")
