"""A layer-by-layer comparison in words and tables, the same in the terminal, in Markdown and in HTML."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console

from seatrial.harness.diff.result import DiffResult, LayerDifference, Step
from seatrial.harness.report.remedy import remedy_sentences, remedy_table, remedy_title
from seatrial.harness.typeset import markdown, numbers
from seatrial.harness.typeset.tables import Listing, figure, long_name, words
from seatrial.harness.typeset.terminal import say_whole
from seatrial.text import shown

_MOST_READERS = 3
_MOST_UNMATCHED = 12
_KEEP_FLOAT = "keep float"  # the column of names behind figures


@dataclasses.dataclass(frozen=True)
class Table:
    """title, headings, rows of text; the first `left` columns are names, the others figures."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 2


def print_diff(result: DiffResult, console: Console) -> None:
    """The answer first, then the tables."""
    say_whole(console, title(result), style="bold")
    for index, sentence in enumerate(sentences(result)):
        say_whole(console, sentence, style="bold yellow" if not index else "")
    for table in tables(result, brief=True):
        listing = Listing(
            table.title,
            *map(long_name, table.headings[: table.left]),
            *(
                words(heading) if heading == _KEEP_FLOAT else figure(heading)
                for heading in table.headings[table.left :]
            ),
        )
        for row in table.rows:
            listing.add(*row)
        console.print(listing)


def render_diff(result: DiffResult, *, html: bool) -> str:
    """The report as a page of its own; all text in it is escaped, wherever it came from."""
    if html:
        environment = Environment(
            loader=PackageLoader("seatrial.harness.report"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        return environment.get_template("diff.html").render(
            title=title(result), sentences=sentences(result), tables=[*tables(result), all_layers(result)]
        )
    parts = [f"# {markdown.text(title(result))}", *map(markdown.text, sentences(result))]
    for table in [*tables(result), all_layers(result)]:
        rows = (tuple(map(markdown.text, row)) for row in table.rows)
        parts += [f"## {markdown.text(table.title)}", markdown.table(table.headings, rows, table.left)]
    return "\n\n".join(parts) + "\n"


def title(result: DiffResult) -> str:
    """What was compared."""
    return shown(
        f"{result.target} against {result.reference}: {result.model} on {result.images} images of {result.data}"
    )


def sentences(result: DiffResult) -> list[str]:
    """The answer: where the two part, what adds most, what the labels say, and how far the table can be trusted."""
    found = [*result.warnings]
    if result.remedy is not None:
        found += remedy_sentences(result.remedy, result.target)
    found.append(_parts(result))
    steps = result.steps
    if steps and (result.parts_at is not None or result.quantized):
        found.append(_largest(result, steps[0]))
    found.append(_labels(result))
    found += _trust(result)
    found += result.notes
    return [shown(sentence) for sentence in found]


def tables(result: DiffResult, *, brief: bool = False) -> list[Table]:
    """What layers in float restore, worst layers, largest steps, images that get another label, and what could not be
    compared.

    brief: as many columns as a terminal holds.
    """
    found = []
    if result.remedy is not None:
        headings, tried = remedy_table(result.remedy, brief=brief)
        found.append(Table(remedy_title(result.remedy), headings, tuple(tuple(map(shown, row)) for row in tried), 1))
    if result.worst:
        found.append(_layers("Worst layers, by signal to noise", result.worst, brief))
    if result.steps:
        found.append(
            Table(
                "What adds error by itself, on the operands that it read",
                ("what", "value", "layer", "own dB", "saturated", _KEEP_FLOAT),
                tuple(_step_cells(result, step) for step in result.steps),
            )
        )
    if result.answers.differing:
        images = [
            (
                shown(image.id),
                "-" if image.label < 0 else str(image.label),
                str(image.reference),
                str(image.target),
                decibels(image.snr_db),
            )
            for image in result.answers.differing[: result.top]
        ]
        found.append(
            Table("Images with another label", ("image", "truth", "reference", "target", "logits dB"), tuple(images), 1)
        )
    if result.unmatched:
        rows = [tuple(map(shown, (one.value, one.node, one.op, one.why))) for one in result.unmatched]
        more = len(rows) - _MOST_UNMATCHED
        found.append(
            Table(
                f"{len(rows)} values without a partner" + (f", the first {_MOST_UNMATCHED}" if more > 0 else ""),
                ("value", "node", "operator", "why"),
                tuple(rows[:_MOST_UNMATCHED]),
                4,
            )
        )
    return found


def all_layers(result: DiffResult) -> Table:
    """Every layer in the order of the graph."""
    return _layers("All layers", result.layers, brief=False)


def decibels(value: float | None) -> str:
    """One digit; "equal" without any difference, "none" where no signal is left, a dash for None."""
    if value is None:
        return "-"
    if math.isinf(value):
        return "equal" if value > 0 else "none"
    return f"{value:.1f}"


_LAYER_HEADINGS = ("node (operator)", "k", "dB", "in", "own", "rounding", "saturated")
_MORE_HEADINGS = ("max diff", "relative", "cosine", "value", "worst image")


def _layers(title: str, layers: Sequence[LayerDifference], brief: bool) -> Table:
    headings = _LAYER_HEADINGS if brief else _LAYER_HEADINGS + _MORE_HEADINGS
    return Table(title, headings, tuple(_layer_cells(layer)[: len(headings)] for layer in layers), 1)


def _layer_cells(layer: LayerDifference) -> tuple[str, ...]:
    worst = layer.worst_image
    return (
        shown(f"{layer.node} ({layer.op})"),
        str(layer.position),
        decibels(layer.snr_db),
        decibels(layer.input_db),
        decibels(layer.layer_db),
        decibels(layer.rounding_db),
        _share(layer.saturated),
        f"{layer.largest_difference:.2e}",
        "-" if layer.relative is None else f"{layer.relative:.2e}",
        "-" if layer.cosine is None else f"{layer.cosine:.5f}",
        shown(layer.value),
        "-" if worst is None else shown(f"{worst[0]} ({decibels(worst[1])} dB)"),
    )


def _step_cells(result: DiffResult, step: Step) -> tuple[str, ...]:
    keep = ", ".join(step.keep_float[:_MOST_READERS])
    layer = step.layer
    return (
        "rounding" if step.kind == "rounding" else f"layer ({shown(layer.op)})",
        shown(layer.value),
        str(layer.position),
        decibels(step.own_db),
        _share(layer.saturated) if step.kind == "rounding" else "-",
        shown(keep) or "-",
    )


def _parts(result: DiffResult) -> str:
    layer = result.parts_at
    threshold = f"{result.threshold_db:g} dB"
    if layer is None:
        worst = result.worst
        if not result.layers:
            return "Nothing could be compared: no value of the original graph has a partner."
        least = f"; the lowest is {decibels(worst[0].snr_db)} dB at {worst[0].node} ({worst[0].op})" if worst else ""
        return f"They do not part: every layer keeps more than {threshold} of signal to noise{least}."
    before = "" if layer.input_db is None else f"; what it reads has {decibels(layer.input_db)}"
    broken = f", {layer.broken} elements NaN or infinite on one side" if layer.broken else ""
    return (
        f"They part first at {layer.node} ({layer.op}, layer {layer.position} of {_count(result)}, value "
        f"{layer.value}): signal to noise {decibels(layer.snr_db)} dB (threshold {threshold}){before}{broken}."
    )


def _count(result: DiffResult) -> int:
    places = [layer.position for layer in result.layers]
    return max(max(places, default=0), len(result.layers) + len(result.unmatched))


def _largest(result: DiffResult, step: Step) -> str:
    layer = step.layer
    if step.kind == "rounding":
        saturated = "" if not layer.saturated else f", {_share(layer.saturated)} of its elements saturate"
        text = f"Rounding {layer.value} ({layer.op} {layer.node}) to its integers adds the most"
        text += f": {decibels(step.own_db)} dB by itself{saturated}."
    else:
        text = f"{layer.node} ({layer.op}, layer {layer.position}) adds the most: {decibels(step.own_db)} dB by itself."
    if step.keep_float:
        flags = " ".join(f"--keep-float {name}" for name in step.keep_float[:_MOST_READERS])
        text += f" To leave it in float: {flags}."
    return text


def _labels(result: DiffResult) -> str:
    answers = result.answers
    if answers.agreement is None:
        return "Labels cannot be compared: an engine gave no logits."
    right = ""
    if answers.reference_top1 is not None:
        right = f" right: reference {answers.reference_top1}, target {answers.target_top1}."
    same = f"Same label on {answers.agreement} of {result.images} images{';' if right else '.'}{right}"
    return f"{same} Logits: {decibels(answers.snr_db)} dB."


def _trust(result: DiffResult) -> list[str]:
    found = []
    for name, seen in ((result.reference, result.reference_instrumented), (result.target, result.target_instrumented)):
        if seen.failed is not None:
            found.append(f"{name} untouched gives no logits: {seen.failed}")
    seen = result.target_instrumented
    if result.trusted is None:
        return found
    asked = "all its values" if result.values == "all" else "its rounded values"
    compared = (
        f"Asked for {asked}, the target's runtime fuses less; its logits then agree with the untouched engine's to "
        f"{decibels(seen.snr_db)} dB, with {seen.agreement} of {result.images} labels the same"
    )
    if seen.snr_db == math.inf:
        found.append(f"Asked for {asked}, the target's runtime gives the logits of the untouched engine exactly.")
    elif result.trusted:
        found.append(f"{compared}: the layers below are those of the engine.")
    else:
        found.append(
            f"{compared}: hardly closer than the reference is, or not. The layers below show what the file means, and "
            "not all that the untouched engine does: the rest lies in its fused kernels."
            + (" --values rounded leaves these as they are." if result.quantized and result.values == "all" else "")
        )
    return found


def _share(value: float | None) -> str:
    return "-" if value is None else numbers.percent(value, 1)
