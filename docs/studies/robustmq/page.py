"""The study's page from its runs: `python page.py --runs runs/robustmq --networks networks --template index.template
--out .` writes index.md and its plots.

A line `{{ RUN TABLE }}` of the template becomes that table of `RUNS/RUN/summary.json`, `{{ networks clean }}` that of
networks.json, `{{ RUN plots }}` the run's plots, `{{ RUN facts }}` what was run. Within a sentence
`{{ RUN PHRASE WORD ... }}` is a figure of the run (`phrases`).
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import phrases
import plots
import tables

Values = Mapping[str, Any]

TABLES: dict[str, Callable[[Values], str]] = {
    "overview": tables.overview,
    "worst": tables.worst_cases,
    "attacks": tables.attacks,
    "claims": tables.claims,
    "claims-by-method": tables.claims_by_method,
    "notes": tables.notes,
}
_MARKER = re.compile(r"\{\{ (\S+) (\S+)((?: [^\s}]+)*) \}\}")
_PLOTTED = {
    "noise": "Clean accuracy, under corruptions, and over decoders and resize filters",
    "worst": "WCAR by strength: own gradients, transfer from the float model, all",
    **{
        f"attacks-{level}": f"AR of each attack at the {level} strength, own gradients or queries"
        for level in tables.LEVELS
    },
}


def facts(summary: Values) -> str:
    """How many images, targets and conditions, and how long they took."""
    made = {name for target in summary["targets"] for name in target["conditions"]}
    return (
        f"{summary['data']['images']} images of `{summary['data']['name']}`, {len(summary['targets'])} targets, "
        f"{len(made)} conditions, seed {summary['seed']}.{_took(summary)}"
    )


def _took(summary: Values) -> str:
    """` Adversarial images took 38 minutes, trials 3, on ...`; nothing where the run does not tell."""
    spent, place = summary["timing"], (summary["machine"] or {}).get("place") or {}
    if spent is None:
        return ""
    processor = f", on {place['processor']}" if place.get("processor") else ""
    attacks, trials = (round(spent[part] / 60) for part in ("attacks", "wall"))
    return f" Adversarial images took {attacks} minutes, trials {trials}{processor}."


def plotted(summary: Values, run: str, out: Path) -> str:
    """The run's plots as pictures of the page."""
    pictures = []
    for path in plots.drawn(summary["study"], run, out):
        says = _PLOTTED[path.stem.removeprefix(f"{run}-")]
        pictures.append(f"![{says}]({path.name})\n\n*{says}. Bars are 95 % intervals.*")
    return "\n\n".join(pictures)


def filled(template: str, runs: Path, networks: Path, out: Path) -> str:
    """The page; SystemExit for a run that is missing, or repeats no study, and for an unknown table."""
    read: dict[str, Values] = {}

    def summary_of(run: str) -> Values:
        if run not in read:
            path = runs / run / "summary.json"
            if not path.exists():
                raise SystemExit(f"{path} is missing: make study-robustmq runs it.")
            read[run] = json.loads(path.read_text())
            if not read[run].get("study"):
                raise SystemExit(f"{path} has no study: run it with --suite robustmq.")
        return read[run]

    def replaced(found: re.Match[str]) -> str:
        run, name, words = found[1], found[2], found[3].split()
        if (run, name) == ("networks", "clean"):
            return tables.clean(json.loads((networks / "networks.json").read_text()))
        if name == "facts":
            return facts(summary_of(run))
        if name == "plots":
            return plotted(summary_of(run), run, out)
        if name in phrases.PHRASES:
            return phrases.PHRASES[name](summary_of(run), *words)
        if name not in TABLES:
            known = ", ".join([*TABLES, *phrases.PHRASES, "facts", "plots"])
            raise SystemExit(f"The template asks for {name!r}; there are {known}.")
        return TABLES[name](summary_of(run)["study"])

    return _MARKER.sub(replaced, template)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    here = Path(__file__).parent
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--networks", type=Path, default=here / "networks")
    parser.add_argument("--template", type=Path, default=here / "index.template")
    parser.add_argument("--out", type=Path, default=here)
    options = parser.parse_args()
    page = filled(options.template.read_text(), options.runs, options.networks, options.out)
    (options.out / "index.md").write_text(page)


if __name__ == "__main__":
    main()
