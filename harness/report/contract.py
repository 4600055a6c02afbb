"""The search for a contract in the terminal: every race as a table, the best, its ties, and the warning."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from rich.console import Console

from seatrial.exporters import InputContract
from seatrial.harness.contract.candidates import numbers_name, rule_name
from seatrial.harness.contract.result import Deviation, Difference, SearchResult, Stage
from seatrial.harness.metrics import wilson_interval
from seatrial.harness.typeset import numbers, tables
from seatrial.harness.typeset.terminal import say, say_whole

_MOST_ROWS = 10
_WORDS = {
    "color": "colour order",
    "numbers": "scaling",
    "resize": "resize rule",
    "interpolation": "interpolation",
    "decoder": "decoder",
}
_SPELL: dict[str, Callable[[InputContract], str]] = {
    "color": lambda contract: contract.color,
    "numbers": numbers_name,
    "resize": rule_name,
    "interpolation": lambda contract: contract.interpolation,
    "decoder": lambda contract: contract.decoder,
}


def print_contract(result: SearchResult, model: str, console: Console) -> None:
    """model: as the user named it, for the line to paste."""
    for stage in result.stages:
        if len(stage.rows) > 1:
            console.print(_table(stage))
            if len(stage.rows) > _MOST_ROWS:
                say(console, f" and {len(stage.rows) - _MOST_ROWS} more that lost (--json has all)")
    for note in result.notes:
        _say(console, note)
    share = result.inferences / result.grid
    _say(
        console,
        f"{result.inferences} inferences on {result.images} images of {result.data} in {result.seconds:.1f} s "
        f"({share:.1%} of the full grid of {result.grid}).",
    )
    if result.best is None:
        say(console, "No way of feeding this model is clearly better than chance.", style="bold red")
        _say(
            console,
            "The labels are probably not this model's: wrong --classes, another class order, or data of other classes. "
            "Or it wants something that is not tried here. No contract is named.",
        )
        return
    _print_best(result, console)
    if result.wrong:
        _print_warning(result, console)
    elif result.declared is not None:
        _print_kept(result, console)
    _say(console, f"Flags: {shlex.join(result.flags)}")
    if result.declared is None or result.wrong:
        _say(
            console,
            "Embed it:",
            shlex.join(["bench.py", "export", "--model", model, "--out", "FILE.onnx", *result.flags]),
        )


def _table(stage: Stage) -> tables.Listing:
    table = tables.Listing(
        stage.name,
        *(tables.words(_WORDS[factor]) for factor in stage.factors),
        *tables.figures("images", "top-1", "95 %", "points", "log-lik."),
        tables.name(""),
    )
    rows = sorted(stage.rows, key=lambda row: (row.contract != stage.named, not row.tied, -row.images, -row.top1))
    for row in rows[:_MOST_ROWS]:
        low, high = wilson_interval(row.correct, row.images)
        named = row.contract == stage.named
        table.add(
            *(_SPELL[factor](row.contract) for factor in stage.factors),
            str(row.images),
            numbers.percent(row.top1, 1),
            f"{low * 100:.1f}-{high * 100:.1f}",
            "" if named else f"{row.difference.delta * 100:+.1f}",
            f"{row.log_likelihood:.3f}",
            "named" if named else "tied" if row.tied else "worse",
            style="bold" if named else "" if row.tied else "dim",
        )
    return table


def _print_best(result: SearchResult, console: Console) -> None:
    best = result.best
    assert best is not None
    low, high = wilson_interval(result.best_correct, result.images)
    side = ("resize", "decoder") if best.resize == "none" else ("resize", "interpolation", "decoder")
    parts = ", ".join(f"{_WORDS[factor]} {_SPELL[factor](best)}" for factor in ("color", "numbers", *side))
    say(
        console,
        ("Best:", "bold green"),
        f" {parts}. {numbers.percent(result.best_correct / result.images, 1)} "
        f"({numbers.percent(low, 1)} to {numbers.percent(high, 1)}) of {result.images} images",
    )
    for factor in _WORDS if best.resize != "none" else ("color", "numbers"):
        others = _tied_values(result, factor)
        if others:
            _say(console, f"  {_WORDS[factor]}: these images do not tell it apart from {', '.join(others)}")


def _tied_values(result: SearchResult, factor: str) -> list[str]:
    stages = [stage for stage in result.stages if factor in stage.factors]
    if not stages or result.best is None:
        return []
    own = _SPELL[factor](result.best)
    found = (_SPELL[factor](row.contract) for row in stages[-1].tied)
    return [value for value in dict.fromkeys(found) if value != own]


def _print_warning(result: SearchResult, console: Console) -> None:
    assert result.difference is not None
    say(console, ("Warning:", "bold red"), f" the declared contract is worse: {_spell(result.difference)}")
    if not result.difference.more_accurate:
        _say(console, "  The likelihood of the labels shows it; for the accuracy alone these images are too few.")
    for deviation in result.deviations:
        _say(console, f"  {_deviation(deviation)}")


def _deviation(deviation: Deviation) -> str:
    return (
        f"{_WORDS[deviation.factor]}: declared {deviation.declared}, the model wants {deviation.best}: "
        f"{_spell(deviation.difference)}"
    )


def _spell(difference: Difference) -> str:
    low, high = difference.interval
    before, after = difference.first_correct / difference.images, difference.second_correct / difference.images
    return (
        f"{numbers.percent(before, 1)} -> {numbers.percent(after, 1)} ({difference.delta * 100:+.1f} points, 95 % "
        f"{low * 100:+.1f} to {high * 100:+.1f}; p accuracy {numbers.probability(difference.mcnemar_p)}, "
        f"likelihood {numbers.probability(difference.likelihood_p)})"
    )


def _print_kept(result: SearchResult, console: Console) -> None:
    if not result.deviations:
        _say(console, "The declared contract is the best, or not told apart from it.")
        return
    assert result.difference is not None
    _say(console, f"The declared contract is not significantly worse: {_spell(result.difference)}")
    for deviation in result.deviations:
        _say(console, f"  {_deviation(deviation)}")


def _say(console: Console, *text: str) -> None:
    say_whole(console, " ".join(text))
