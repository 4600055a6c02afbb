"""The plan on paper: `python page.py [--price 0.04] [--cores 8] ...` writes index.md and plan.svg beside this file.

A line `{{ NAME }}` of index.template becomes that table or plot. Every field of `simulate.Setting` is a flag.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from simulate import Group, Outcome, Setting, Simulation, groups_of, scaled

from seatrial.harness.plan.parts import TOGETHER

HERE = Path(__file__).parent
NODES = (1, 16, 64, 256)
# ResNet-50's 4.1 billion multiply-accumulates beside the 325 million of the network that was measured.
LARGER = 12.6
_DRAWN = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_MARKER = re.compile(r"^\{\{ (\S+) \}\}$", re.MULTILINE)
SHARDS, RAY = "shards", "Ray"
_STYLES = {SHARDS: ("#c2410c", "o"), RAY: ("#0b5fa5", "s")}

mpl.rcParams.update({"svg.hashsalt": "cluster", "svg.fonttype": "none", "font.size": 9})


def without_attacks(groups: Sequence[Group]) -> list[Group]:
    """The suites full and pipeline alone."""
    return [one for one in groups if not one.made_s]


def ways(costs: Any, setting: Setting, *, attacks: bool) -> dict[str, Callable[[int], Outcome]]:
    """Nodes -> outcome, by who gives out the work."""

    def of(groups: Sequence[Group]) -> Simulation:
        return Simulation(costs, groups if attacks else without_attacks(groups), setting)

    dealt, cut = of(groups_of(costs, TOGETHER)), of(groups_of(costs))
    return {SHARDS: dealt.shards, RAY: cut.slices}


def results(costs: Any, setting: Setting, *, attacks: bool) -> str:
    """A row for each way and number of nodes."""
    lines = ["| way | nodes | hours | efficiency | set-up, s | moved, GB | cost | held up by |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for way, run in ways(costs, setting, attacks=attacks).items():
        for nodes in NODES:
            one = run(nodes)
            lines.append(
                f"| {way} | {nodes} | {one.hours:.2f} | {one.efficiency:.2f} | {one.setup_h * 3600:.0f} "
                f"| {one.moved_gb:,.0f} | {one.cost:,.2f} | {one.bound} |"
            )
    return "\n".join(lines)


def unit_costs(costs: Any) -> str:
    """What was measured, in milliseconds of one core."""
    seconds = costs["seconds"]
    changing = {name: statistics.fmean(one) for name, one in seconds["changing"].items()}
    corruptions = {name: one for name, one in changing.items() if name.startswith("corruption/")}
    dearest = max(corruptions, key=lambda name: corruptions[name])
    rows = [
        ("decode and resize an image", statistics.fmean(seconds["decode"])),
        (f"corrupt it: mean of {len(corruptions)}", statistics.fmean(corruptions.values())),
        (f"the dearest corruption, `{dearest}`", corruptions[dearest]),
        ("normalise it", statistics.fmean(seconds["normalise"])),
        *((f"answer it, `{name}`", statistics.fmean(one)) for name, one in seconds["engines"].items()),
        *((f"one gradient, on {name}", statistics.fmean(one)) for name, one in seconds["gradient"].items()),
        ("take in an adversarial image from a node", statistics.fmean(seconds["taking"])),
    ]
    lines = ["| for an image | ms |", "| --- | ---: |", *(f"| {what} | {1e3 * value:.2f} |" for what, value in rows)]
    return "\n".join(lines)


def once(costs: Any) -> str:
    """What a node does once, and bytes."""
    seconds, size = costs["seconds"], costs["bytes"]
    return "\n".join(
        (
            "| once | |",
            "| --- | ---: |",
            f"| import the package | {seconds['start']:.1f} s |",
            f"| quantize on 200 images, and build all engines | {seconds['build']:.1f} s |",
            f"| build all engines, the quantized files in the cache | {seconds['found']:.1f} s |",
            f"| file a trial | {1e3 * seconds['file']:.1f} ms |",
            f"| an encoded image, mean | {size['image'] / 1e3:.0f} kB |",
            f"| an adversarial image, as a node sends it | {size['chunk'] / 1e3:.0f} kB |",
            f"| a row of a trial | {size['row']:.1f} bytes |",
        )
    )


def work(costs: Any, setting: Setting) -> str:
    """Core-hours by kind."""
    groups = groups_of(costs)
    kinds: dict[str, tuple[int, float]] = {}
    for one in groups:
        kind = one.name.partition("/")[0].replace("clean", "corruption").replace("blackbox", "black-box attack")
        count, hours = kinds.get(kind, (0, 0.0))
        kinds[kind] = count + one.count, hours + one.whole_s * setting.images / 3600
    total = sum(hours for _, hours in kinds.values())
    lines = ["| conditions | | core-hours | share |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {kind} | {n} | {hours:,.1f} | {hours / total:.1%} |" for kind, (n, hours) in kinds.items()]
    count = sum(n for n, _ in kinds.values())
    return "\n".join([*lines, f"| all | {count} | {total:,.1f} | |"])


def assumed(setting: Setting) -> str:
    """The fields of the setting, by their flags."""
    says = {
        "images": "test images",
        "calibration": "calibration images",
        "cores": "cores of a node",
        "price": "of a core for an hour, in the currency of your bill",
        "read_mb": "MB/s that a node reads",
        "shared_mb": "MB/s that the storage gives all nodes together",
        "driver_mb": "MB/s that the network of Ray's driver carries",
        "speed": "how far nodes of one kind differ: deviation of the logarithm of their speed",
        "slice_s": "seconds of a node's work that Ray gives out at once",
        "make_s": "the same of adversarial images",
        "repeat": "share of the answers that Ray's driver asks for again, elsewhere",
        "give_s": "seconds that giving it takes the driver",
        "seed": "of the chances",
    }
    values = dataclasses.asdict(setting)
    lines = ["| flag | | value |", "| --- | --- | ---: |"]
    return "\n".join(
        [*lines, *(f"| `--{name.replace('_', '-')}` | {says[name]} | {values[name]:,g} |" for name in says)]
    )


def measured_on(costs: Any) -> str:
    """Processor, model and versions."""
    versions = ", ".join(f"{name} {version}" for name, version in costs["versions"].items())
    return (
        f"Measured on {costs['processor'].replace('(R)', '')} ({', '.join(costs['features'])}), which did other work "
        f"beside (load {costs['load'][0]:g}): `{costs['model']}`, {versions}."
    )


def draw(costs: Any, setting: Setting, path: Path) -> None:
    """Efficiency by nodes, without attacks and with them."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    titles = {False: "full and pipeline", True: "full, pipeline and attack"}
    for axes, (attacks, title) in zip(figure.subplots(1, 2, sharey=True), titles.items(), strict=True):
        for way, run in ways(costs, setting, attacks=attacks).items():
            colour, marker = _STYLES[way]
            shares = [100 * run(nodes).efficiency for nodes in _DRAWN]
            axes.plot(_DRAWN, shares, color=colour, marker=marker, markersize=4, label=way)
        axes.axhline(90, color="#999", linewidth=1, linestyle="--")
        axes.set_xscale("log", base=2)
        axes.set_xticks(_DRAWN, [str(nodes) for nodes in _DRAWN])
        axes.set_ylim(0, 105)
        axes.set_title(title)
        axes.set_xlabel("nodes")
        axes.grid(alpha=0.3)
    first, second = figure.axes
    first.set_ylabel("efficiency, %")
    second.legend(loc="center right", fontsize=8)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def page(costs: Any, setting: Setting) -> str:
    """index.md."""
    parts: Mapping[str, Callable[[], str]] = {
        "measured-on": lambda: measured_on(costs),
        "unit-costs": lambda: unit_costs(costs),
        "once": lambda: once(costs),
        "work": lambda: work(costs, setting),
        "assumed": lambda: assumed(setting),
        "images": lambda: results(costs, setting, attacks=False),
        "larger": lambda: results(scaled(costs, LARGER), setting, attacks=False),
        "all": lambda: results(costs, setting, attacks=True),
        "plan-plot": lambda: "![Efficiency by nodes](plan.svg)",
    }
    return _MARKER.sub(lambda found: parts[found[1]](), (HERE / "index.template").read_text(encoding="utf-8"))


def main() -> None:
    """Writes the page and its plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    for field in dataclasses.fields(Setting):
        flag = f"--{field.name.replace('_', '-')}"
        parser.add_argument(flag, type=type(field.default), default=field.default, help=f"(default: {field.default})")
    parser.add_argument("--costs", type=Path, default=HERE / "costs.json", help="as measure.py writes it")
    parser.add_argument("--out", type=Path, default=HERE)
    given = vars(parser.parse_args())
    costs, out = json.loads(given.pop("costs").read_text(encoding="utf-8")), given.pop("out")
    setting = Setting(**given)
    out.mkdir(parents=True, exist_ok=True)
    (out / "index.md").write_text(page(costs, setting), encoding="utf-8")
    draw(costs, setting, out / "plan.svg")


if __name__ == "__main__":
    main()
