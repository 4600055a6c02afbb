"""Numbers that flags may be, and what is said of others."""

from __future__ import annotations

from seatrial.errors import UsageError

# What the libraries below count in.
MOST = 2**31 - 1
# Above any processor's: so many threads are begun within a second or two.
MOST_THREADS = 4096
# Above any that an engine answers at once.
MOST_BATCH = 1 << 20
# Thirty years: beyond it, clocks and what waits by them overflow.
LONGEST_S = 1e9
# Of `poll`, which counts in milliseconds of 32 bits.
LONGEST_POLL_S = 2e6


def at_least(least: int, most: int = MOST, **values: int | None) -> None:
    """UsageError for a value below `least` or above `most`, under its name as a flag; None is no value."""
    for name, value in values.items():
        if value is not None and value < least:
            raise UsageError(f"{_flag(name)} is {value}; it must be at least {least}.")
        if value is not None and value > most:
            raise UsageError(f"{_flag(name)} is {value}; it must be at most {most}.")


def above_zero(most: float = LONGEST_S, **values: float) -> None:
    """UsageError for what is not above zero or above `most`, under its name as a flag."""
    for name, value in values.items():
        if not value > 0:
            raise UsageError(f"{_flag(name)} is {value:g}; it must be above 0.")
        if value > most:
            raise UsageError(f"{_flag(name)} is {value:g}; it must be above 0 and at most {most:g}.")


def seeds(**values: int | None) -> None:
    """UsageError for what no generator is seeded with; None is no value."""
    for name, value in values.items():
        if value is not None and not 0 <= value < 2**63:
            raise UsageError(f"{_flag(name)} is {value}; it must be from 0 to 2**63 - 1.")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
