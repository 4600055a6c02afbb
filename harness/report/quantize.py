"""What a quantization made, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from seatrial.calib.overflow import find_overflow
from seatrial.calib.processors import says
from seatrial.calib.warn import kept_float_of
from seatrial.harness.quantize.quantize import Quantized
from seatrial.harness.report.guard import cautions
from seatrial.harness.results.shares import named, spelled
from seatrial.harness.typeset.tables import facts
from seatrial.harness.typeset.terminal import say


def print_quantized(made: Quantized, console: Console) -> None:
    """The file, what the engine makes of it, and why it has this form."""
    console.print(facts(_rows(made)))
    for note in made.model.notes:
        say(console, note)
    for warning in made.warnings:
        say(console, f"Warning: {warning}", style="yellow")
    for caution in cautions(made.verdict, made.recipe.engine, made.version):
        say(console, caution, style="yellow")
    for reason in made.recipe.reasons:
        say(console, f"- {reason}", indent=2)


def _rows(made: Quantized) -> Iterator[tuple[str, str]]:
    yield "file", f"{made.file!s} ({len(made.model.onnx_bytes) / 2**20:.2f} MiB)"
    yield "recipe", made.recipe.name
    yield "calibrated on", f"{made.images} images" if made.images else "no images"
    if made.realized is not None:
        shares = ", ".join(f"{name} {spelled(share)}" for name, share in made.realized.items())
        shares = shares or "nothing that multiplies"
        yield "the engine runs", f"{shares} of the multiply-accumulates"
        if made.unknown:
            yield "unknown", named(made.unknown)
    else:
        yield "not built here", str(made.not_built)
    overflow = find_overflow(made.model.proto) if made.recipe.sums_in_16_bits else None
    if overflow is not None and overflow.of:
        yield "processors", says(overflow)
    kept = kept_float_of(made.model)
    if kept:
        yield "kept in float", f"{len(kept)} nodes: {', '.join(list(kept)[:5])}"
