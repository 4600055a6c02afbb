"""The page of the study: `python page.py --runs runs/merkel --files build/merkel` writes index.md and its plots.

A line `{{ NAME }}` of index.template becomes that table or plot: of clean.json, which export.py wrote, and of
`RUNS/seed0`, `RUNS/seed1`, ...; `masking` is of `RUNS/masking`, a run with the queries that the verdicts need.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import plots
import tables

Values = Mapping[str, Any]
_MARKER = re.compile(r"^\{\{ (\S+) \}\}$", re.MULTILINE)


def summary_of(run: Path) -> Values:
    """A run's summary.json; SystemExit where there is none, or none of this study."""
    path = run / "summary.json"
    if not path.exists():
        raise SystemExit(f"{path} is missing: make study-merkel runs it.")
    found: Values = json.loads(path.read_text())
    if not found.get("study"):
        raise SystemExit(f"{path} has no study: run it with --suite merkel.")
    return found


def facts(runs: Sequence[Values]) -> str:
    """How many images, networks and conditions."""
    made = {name for target in runs[0]["targets"] for name in target["conditions"]}
    return (
        f"{runs[0]['data']['images']} images of `{runs[0]['data']['name']}`, seeds 0 to {len(runs) - 1}, "
        f"{len(runs[0]['targets'])} networks of each, {len(made)} conditions."
    )


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    here = Path(__file__).parent
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--files", type=Path, required=True, help="what export.py wrote")
    parser.add_argument("--template", type=Path, default=here / "index.template")
    parser.add_argument("--out", type=Path, default=here)
    asked = parser.parse_args()
    clean = json.loads((asked.files / "clean.json").read_text())
    runs = [summary_of(path) for path in sorted(asked.runs.glob("seed*"))]
    if not runs:
        raise SystemExit(f"{asked.runs} has no run of a seed: make study-merkel runs them.")
    studies = [run["study"] for run in runs]

    def drawn(name: str, says: str, draw: Callable[[Path], None]) -> str:
        draw(asked.out / f"{name}.svg")
        return f"![{says}]({name}.svg)"

    made: dict[str, Callable[[], str]] = {
        "facts": lambda: facts(runs),
        "clean": lambda: tables.clean(clean),
        "clean-plot": lambda: drawn("clean", "Accuracy without attack, by bits", lambda path: plots.clean(clean, path)),
        "fgsm": lambda: tables.attacked(studies, "fgsm-linf"),
        "pgd": lambda: tables.attacked(studies, "pgd-linf"),
        "fgsm-differences": lambda: tables.differences(studies, "fgsm-linf"),
        "pgd-differences": lambda: tables.differences(studies, "pgd-linf"),
        "sweeps-plot": lambda: drawn(
            "sweeps", "Accuracy by strength of the attack, for several bits", lambda path: plots.sweeps(studies, path)
        ),
        "crossings": lambda: tables.crossings(studies),
        "crossings-plot": lambda: drawn("crossings", "eps* by bits", lambda path: plots.crossings(studies, path)),
        "transfer": lambda: tables.transfer(runs),
        "claims": lambda: tables.claims(studies),
        "masking-facts": lambda: f"{summary_of(asked.runs / 'masking')['data']['images']} images of seed 0.",
        "masking": lambda: tables.masking(summary_of(asked.runs / "masking"), runs),
    }

    def replaced(found: re.Match[str]) -> str:
        if found[1] not in made:
            raise SystemExit(f"The template asks for {found[1]!r}; there are {', '.join(made)}.")
        return made[found[1]]()

    (asked.out / "index.md").write_text(_MARKER.sub(replaced, asked.template.read_text()))


if __name__ == "__main__":
    main()
