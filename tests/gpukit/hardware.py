"""engines/hardware.json and docs/hardware.md, filled from archives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from gpukit.archive import read_runs
from gpukit.paths import ROOT
from seatrial.engines import ENGINES
from seatrial.engines.hardware import SCHEMA, Ran, latest, runs_of
from seatrial.engines.precision import PRECISIONS
from seatrial.files import read_json, write_json, write_text

FILE = ROOT / "engines/hardware.json"
PAGE = ROOT / "docs/hardware.md"
_HEAD = """# What has run where

Which engine, at which precision, on which hardware has been run, and when: its network was built there, gave float32's
labels, and did at least 90 % of its arithmetic at the precision, as far as the runtime shows it (int4, which is for the
weights of matrix products alone: some of it). What a runtime offers on paper is on the page [Engines](engines.md); here
stands what somebody has seen. `bench.py doctor` reads the same table, and says of the machine that it looks at what
nobody has run there.

The page is written by a command from archives of real runs, and by nothing else:

    make gpu                                    # on a machine with an NVIDIA GPU: all that can run there, one archive
    make gpu MINUTES=10                         # what fits in ten minutes
    make cpu                                    # the engines of the processor, one archive
    make hardware ARCHIVES="runs/gpu-*.zip"     # into engines/hardware.json and this page

An archive is read as a stranger's: its `kit.json` alone, bounded and checked field by field; nothing is unpacked. Times
are medians of single 48 x 48 px images beside whatever else the machine did: they show that it ran, and no more.

A date is that of the last run. **failed** means that it was tried and did not pass; never run, that nobody has sent an
archive; -, that the engine does not offer it there.
"""


def fill(paths: Sequence[Path]) -> tuple[int, int]:
    """Adds the runs of archives to both files; how many were read, and how many the table now has. Raises BadInputError
    before anything is written where one of them is no archive.
    """
    found = [ran for path in paths for ran in read_runs(path)]
    known = latest([*runs_of(read_json(FILE)), *found])
    write_json(FILE, {"schema": SCHEMA, "runs": [ran.to_dict() for ran in known]})
    write_text(PAGE, page(known))
    return len(found), len(known)


def page(runs: Iterable[Ran]) -> str:
    """The documentation's page."""
    known = latest(runs)
    parts = [_HEAD]
    for name in ENGINES:
        engine = ENGINES[name]
        if not engine.executes_graph or not engine.__module__.startswith("seatrial.engines."):
            continue
        offered = {precision for precisions in engine.manifest.values() for precision in precisions}
        columns = [precision for precision in PRECISIONS if precision in offered]
        lines = [
            f"| device | hardware | version | {' | '.join(columns)} |",
            f"|---|---|---|{'---|' * len(columns)}",
        ]
        for device, precisions in engine.manifest.items():
            rows = _rows([ran for ran in known if (ran.engine, ran.device) == (name, device)])
            for (hardware, version), cells in (rows or {("", ""): {}}).items():
                shown = [cells.get(one, "never run" if one in precisions else "-") for one in columns]
                lines.append(f"| `{device}` | {hardware or '-'} | {version or '-'} | {' | '.join(shown)} |")
        parts.append(f"\n## {name}\n\n" + "\n".join(lines) + "\n")
    return "".join(parts)


def _rows(runs: Sequence[Ran]) -> dict[tuple[str, str], dict[str, str]]:
    """(hardware, version) -> precision -> its cell."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for ran in runs:
        driver = f", driver {ran.driver}" if ran.driver else ""
        hardware = f"{_escaped(ran.family)}: {_escaped(ran.hardware + driver)}"
        rows.setdefault((hardware, _escaped(ran.version)), {})[ran.precision] = _cell(ran)
    return rows


def _cell(ran: Ran) -> str:
    if not ran.passed:
        return f"**failed** {ran.date}"
    time = "" if ran.p50_ms is None else f", {ran.p50_ms:.3g} ms"
    share = "" if ran.share is None or ran.share > 0.9995 else f", {ran.share:.1%}"
    if ran.precision == "int4":
        share = ""
    return f"{ran.date}{time}{share}"


def _escaped(text: str) -> str:
    """Words of an archive as a table takes them: they have no signs but those of `engines.hardware`."""
    return text.replace("_", r"\_").replace("@", "&#64;")
