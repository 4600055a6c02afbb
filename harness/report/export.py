"""What an export did, for the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seatrial.harness.export.export import ExportReport, opset


def print_export(report: ExportReport, console: Console) -> None:
    """The verdict first, then the figures, then what the file is."""
    found = report.verification
    for sentence in report.findings.says:
        console.print(f"[bold yellow]{escape(sentence)}[/]", highlight=False)
    if report.findings.anomalous:
        console.print(f"[bold red]{escape(report.model.name)}: nothing can be proven of a file like this.[/bold red]")
    elif found.same:
        console.print(f"[green]{escape(report.model.name)}: the file answers like {report.source}.[/green]")
    else:
        console.print(
            f"[bold red]{escape(report.model.name)}: the file does NOT answer like {report.source}.[/bold red]"
        )
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_row("same class", f"{found.agreement} of {found.images} images of {escape(report.data)}")
    table.add_row("largest logit difference", f"{found.max_difference:.2e} (largest logit {found.scale:.2f})")
    if found.source_top1 is not None and found.exported_top1 is not None:
        table.add_row("right, source", f"{found.source_top1} ({found.source_top1 / found.images:.2%})")
        table.add_row("right, file", f"{found.exported_top1} ({found.exported_top1 / found.images:.2%})")
    if not found.same:
        table.add_row("they part at", _where(report))
    before, after = (sum(counts.values()) for counts in report.nodes)
    table.add_row("nodes", f"{after}" + (f" (of {before})" if before != after else ""))
    left = report.nodes[1].get("BatchNormalization", 0)
    if left:
        table.add_row("", f"{left} BatchNormalization left: not behind a convolution that could take them in")
    model = report.model
    table.add_row("opset, batch", f"{opset(model)}, {'free' if model.fixed_batch is None else model.fixed_batch}")
    table.add_row("classes", f"{model.classes}, {'named' if model.class_names else 'without names'}")
    table.add_row("file", f"{escape(str(report.file))} ({len(model.onnx_bytes) / 2**20:.2f} MiB)")
    console.print(table)
    for note in model.notes:
        console.print(note, markup=False, highlight=False)


def _where(report: ExportReport) -> str:
    parts = report.verification.parts
    if parts is None:
        return "no layer that both have by name; compare with --no-simplify"
    after = f", after {escape(parts.after)}" if parts.after else ""
    return f"{escape(parts.name)}{after}: {parts.snr_db:.1f} dB signal to noise, largest difference {parts.max_abs:.2e}"
