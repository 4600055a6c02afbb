"""What a quantization made, for the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seatrial.calib.overflow import find_overflow
from seatrial.calib.processors import says
from seatrial.calib.warn import kept_float_of
from seatrial.harness.quantize.quantize import Quantized
from seatrial.harness.report.guard import cautions
from seatrial.harness.results.shares import named, spelled


def print_quantized(made: Quantized, console: Console) -> None:
    """The file, what the engine makes of it, and why it has this form."""
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_row("file", f"{escape(str(made.file))} ({len(made.model.onnx_bytes) / 2**20:.2f} MiB)")
    table.add_row("recipe", escape(made.recipe.name))
    table.add_row("calibrated on", f"{made.images} images" if made.images else "no images")
    if made.realized is not None:
        shares = ", ".join(f"{name} {spelled(share)}" for name, share in made.realized.items())
        shares = shares or "nothing that multiplies"
        table.add_row("the engine runs", f"{escape(shares)} of the multiply-accumulates")
        if made.unknown:
            table.add_row("unknown", escape(named(made.unknown)))
    else:
        table.add_row("not built here", escape(str(made.not_built)))
    overflow = find_overflow(made.model.proto) if made.recipe.sums_in_16_bits else None
    if overflow is not None and overflow.of:
        table.add_row("processors", escape(says(overflow)))
    kept = kept_float_of(made.model)
    if kept:
        table.add_row("kept in float", f"{len(kept)} nodes: {escape(', '.join(list(kept)[:5]))}")
    console.print(table)
    for note in made.model.notes:
        console.print(note, markup=False, highlight=False)
    for warning in made.warnings:
        console.print(f"[yellow]Warning: {escape(warning)}[/yellow]", highlight=False)
    for caution in cautions(made.verdict, made.recipe.engine, made.version):
        console.print(f"[yellow]{escape(caution)}[/yellow]", highlight=False)
    for reason in made.recipe.reasons:
        console.print(f"  - {escape(reason)}", highlight=False)
