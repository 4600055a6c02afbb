"""How figures are spelled, the same in the terminal and in the report."""

from __future__ import annotations


def percent(share: float | None, digits: int = 2) -> str:
    """0.9173 -> "91.73 %"; a dash for None."""
    return "-" if share is None else f"{share * 100:.{digits}f} %"


def points(delta: float | None, interval: tuple[float, float] | list[float] | None = None) -> str:
    """-0.0008 -> "-0.08", in percentage points, with its interval where given; a dash for None."""
    if delta is None:
        return "-"
    text = f"{delta * 100:+.2f}"
    return text if interval is None else f"{text} [{interval[0] * 100:+.2f}, {interval[1] * 100:+.2f}]"


def milliseconds(value: float | None) -> str:
    """Three significant digits: "0.205", "1.47", "12.3"; a dash for None, which the samples did not carry."""
    if value is None:
        return "-"
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def size(value: int) -> str:
    """Bytes in kB, MB or GB (powers of 1000); a dash for 0."""
    if not value:
        return "-"
    return (
        f"{value / 1e3:.0f} kB" if value < 1e6 else f"{value / 1e6:.1f} MB" if value < 1e9 else f"{value / 1e9:.2f} GB"
    )


def probability(value: float) -> str:
    """A p-value: "0.21", "< 0.001"."""
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def rate(value: float) -> str:
    """Three significant digits, or all before the point: "0.512", "42.7", "1,234"."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def age(seconds: float) -> str:
    """How long ago: "40 s", "12 min", "5 h", "3 d"."""
    for unit, length, most in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < most * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"
