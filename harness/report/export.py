"""What an export did, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from seatrial.harness.export.export import ExportReport, opset
from seatrial.harness.typeset.tables import facts
from seatrial.harness.typeset.terminal import say


def print_export(report: ExportReport, console: Console) -> None:
    """The verdict first, then the figures, then what the file is."""
    found = report.verification
    for sentence in report.findings.says:
        say(console, sentence, style="bold yellow")
    if report.findings.anomalous:
        say(console, f"{report.model.name}: nothing can be proven of a file like this.", style="bold red")
    elif found.same:
        say(console, f"{report.model.name}: the file answers like {report.source}.", style="green")
    else:
        say(console, f"{report.model.name}: the file does NOT answer like {report.source}.", style="bold red")
    console.print(facts(_rows(report)))
    for note in report.model.notes:
        say(console, note)


def _rows(report: ExportReport) -> Iterator[tuple[str, str]]:
    found = report.verification
    yield "same class", f"{found.agreement} of {found.images} images of {report.data}"
    yield "largest logit difference", f"{found.max_difference:.2e} (largest logit {found.scale:.2f})"
    if found.source_top1 is not None and found.exported_top1 is not None:
        yield "right, source", f"{found.source_top1} ({found.source_top1 / found.images:.2%})"
        yield "right, file", f"{found.exported_top1} ({found.exported_top1 / found.images:.2%})"
    if not found.same:
        yield "they part at", _where(report)
    before, after = (sum(counts.values()) for counts in report.nodes)
    yield "nodes", f"{after}" + (f" (of {before})" if before != after else "")
    left = report.nodes[1].get("BatchNormalization", 0)
    if left:
        yield "", f"{left} BatchNormalization left: not behind a convolution that could take them in"
    model = report.model
    yield "opset, batch", f"{opset(model)}, {'free' if model.fixed_batch is None else model.fixed_batch}"
    yield "classes", f"{model.classes}, {'named' if model.class_names else 'without names'}"
    yield "file", f"{report.file!s} ({len(model.onnx_bytes) / 2**20:.2f} MiB)"


def _where(report: ExportReport) -> str:
    parts = report.verification.parts
    if parts is None:
        return "no layer that both have by name; compare with --no-simplify"
    after = f", after {parts.after}" if parts.after else ""
    return f"{parts.name}{after}: {parts.snr_db:.1f} dB signal to noise, largest difference {parts.max_abs:.2e}"
