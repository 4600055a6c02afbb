"""Which layers to keep in float, in words and rows."""

from __future__ import annotations

from seatrial.harness.diff.remedy import RECOVERY, Remedy, Tried
from seatrial.harness.metrics import wilson_interval
from seatrial.harness.metrics.latency_ratio import Speedup
from seatrial.harness.typeset import numbers

_NAMED = 3
_HEADINGS = ("in float", "nodes", "share", "gained", "latency", "share, 95 %", "gained, interval", "latency, 95 %")
# As many as a terminal holds.
_BRIEF = 5


def remedy_sentences(found: Remedy, target: str) -> list[str]:
    """The answer, what to paste, and what to know of the search."""
    said = [_answer(found, target)]
    if found.chosen is not None:
        said.append(f"To keep them in float: {found.flags}")
    if not found.whole:
        said.append(f"The search ended after {len(found.tried)} files: fewer nodes may do.")
    return said


def remedy_title(found: Remedy) -> str:
    """Of the rows."""
    counted = "right answers" if found.measure == "top-1" else "answers as the reference's"
    return f"Layers in float: {counted} of {found.images} images, latency over the target's"


def remedy_table(found: Remedy, *, brief: bool) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Headings and rows: the reference, the target as it is, then the files that were tried, in their order.

    brief: as many columns as a terminal holds, and of the files those alone that were better than all before, and the
    one to keep.
    """
    files: list[Tried] = []
    best = found.plain.right
    for one in found.tried:
        if not brief or one.right > best or one == found.found:
            files.append(one)
        best = max(best, one.right)
    share, interval = _share(found, found.reference), _interval(found, found.reference)
    reference = ("(reference)", "-", share, "-", *_ratio(found.reference_price, interval, "-"))
    rows = [reference, *(_row(found, one) for one in (found.plain, *files))]
    stop = _BRIEF if brief else len(_HEADINGS)
    return _HEADINGS[:stop], tuple(row[:stop] for row in rows)


def _row(found: Remedy, one: Tried) -> tuple[str, ...]:
    gained, low, high = found.gain(one)
    plain, more = one is found.plain, len(one.nodes) - _NAMED
    names = ", ".join(one.nodes[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    between = "-" if plain else f"[{low * 100:+.2f}, {high * 100:+.2f}]"
    return (
        "(nothing)" if plain else f"{names}{' (keep)' if one == found.chosen else ''}",
        str(len(one.nodes)),
        _share(found, one.right),
        "-" if plain else numbers.points(gained),
        *_ratio(one.price, _interval(found, one.right), between),
    )


def _answer(found: Remedy, target: str) -> str:
    reference, plain = _share(found, found.reference), _share(found, found.plain.right)
    told = f"{target} has {plain} {found.measure} on {found.images} images, the reference {reference}"
    if not found.needed:
        return f"Nothing is to be kept in float: {told}, and {numbers.percent(RECOVERY, 0)} of that is enough."
    if found.found is None:
        return f"Nothing is to be kept in float: {told}, and no set of layers that was tried restores any of that."
    gained, low, high = found.gain(found.found)
    many, nodes = len(found.tried), _count(found.found)
    gain = (
        f"{numbers.points(gained, (low, high))} points (at 95 % for all {many} files tried together)"
        if many > 1
        else f"{numbers.points(gained, (low, high))} points"
    )
    if not found.pays:
        return (
            f"Nothing is to be kept in float: {told}; the best set that was found, {nodes}, "
            f"gains {gain}, which may be chance. More images tell: --remedy-limit."
        )
    share = found.found.right / found.reference
    reached = f"{numbers.percent(share, 1)} of the reference's {reference}"
    if not found.restored:
        reached += f"; no set that was tried reaches {numbers.percent(RECOVERY, 0)}"
    return (
        f"Keep {nodes} in float: {found.measure} goes from {plain} to "
        f"{_share(found, found.found.right)}, {gain}: {reached}.{_price(found, found.found)}"
    )


def _count(one: Tried) -> str:
    return f"{len(one.nodes)} node{'s' if len(one.nodes) > 1 else ''}"


def _price(found: Remedy, one: Tried) -> str:
    if one.price is None:
        return ""
    low, high = one.price.ci95
    told = (
        f" A query then takes {one.price.ratio:.2f} times as long as now ({low:.2f} to {high:.2f}); the reference "
        f"takes {found.reference_price.ratio:.2f} times as long"
    )
    slower = one.price.ratio >= found.reference_price.ratio
    return f"{told}: nothing is left of the gain in speed." if slower else f"{told}."


def _share(found: Remedy, right: int) -> str:
    return numbers.percent(right / found.images)


def _interval(found: Remedy, right: int) -> str:
    low, high = wilson_interval(right, found.images)
    return f"[{low * 100:.2f}, {high * 100:.2f}]"


def _ratio(price: Speedup | None, *between: str) -> tuple[str, ...]:
    """The ratio, the cells between, and its interval."""
    if price is None:
        return ("1.00", *between, "-")
    return (f"{price.ratio:.2f}", *between, f"[{price.ci95[0]:.2f}, {price.ci95[1]:.2f}]")
