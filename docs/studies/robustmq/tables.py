"""Markdown tables of the study's page, from the block `study` of summary.json and from networks.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Values = Mapping[str, Any]

LEVELS = ("small", "mid", "large")
# Clean accuracy of ResNet-20 on CIFAR-10 in percent, trained from scratch on 50,000 images with float activations: the
# README of github.com/zzzxxxttt/pytorch_DoReFaNet at 1d5e5d6. Of PACT and LSQ no table of this network was found open.
LITERATURE = {("float", 32): 92.13, ("dorefa", 4): 91.46, ("dorefa", 2): 91.05}
NOTHING = "-"


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, the first column left and the others right."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage."""
    return NOTHING if share is None else f"{round(100 * share, digits) + 0.0:.{digits}f}"  # no -0.0


def interval(figure: float | None, ci95: Sequence[float] | None, digits: int = 1) -> str:
    """`61.2 [54.0, 68.0]` in percent."""
    if figure is None or ci95 is None:
        return percent(figure, digits)
    return f"{percent(figure, digits)} [{percent(ci95[0], digits)}, {percent(ci95[1], digits)}]"


def named(row: Values) -> str:
    """`lsq 4/4`; activations that are float have 32 bits."""
    weights, activations = row["bits"]
    return str(row["method"]) if weights == 32 else f"{row['method']} {weights}/{activations or 32}"


def ordered(study: Values) -> list[Values]:
    """The float model first, then by method and from many bits to few."""
    rows: list[Values] = list(study["rows"])
    return [rows[0], *sorted(rows[1:], key=lambda row: (row["method"], -row["bits"][0]))]


def _rate(found: Values | None) -> str:
    return NOTHING if found is None else interval(found["rate"], found["ci95"])


def _mean(found: Values | None) -> str:
    return NOTHING if found is None else interval(found["top1"], found["ci95"])


def overview(study: Values) -> str:
    """Method x bits: clean, mean AR, WCAR at the small strength, NR, SR, masking."""
    rows = []
    for row in ordered(study):
        worst = next((one for one in row["wcar"] if one["level"] == LEVELS[0]), {})
        sr = row["sr"]
        rows.append(
            [
                named(row),
                interval(row["clean"]["top1"], row["clean"]["ci95"]),
                _rate(row["ar_mean"]),
                _rate(worst.get("own")),
                _rate(worst.get("all")),
                _mean(row["nr"]),
                NOTHING if sr is None else f"{_mean(sr)} ± {percent(sr['std'], 2)}",
                row["masking"] or NOTHING,
            ]
        )
    headings = ["method, bits", "clean", "AR, mean", "WCAR small, own", "WCAR small, all", "NR", "SR ± deviation"]
    return markdown([*headings, "masking"], rows)


def worst_cases(study: Values) -> str:
    """WCAR at each strength with own gradients, by transfer, and under all that was asked."""
    ways = ("own", "transfer", "all")
    rows = []
    for row in ordered(study):
        by_level = {one["level"]: one for one in row["wcar"]}
        cells = [_rate(by_level.get(level, {}).get(way)) for level in LEVELS for way in ways]
        rows.append([named(row), *cells])
    return markdown(["method, bits", *(f"{level}, {way}" for level in LEVELS for way in ways)], rows)


def attacks(study: Values) -> str:
    """AR of every attack at its three strengths, with own gradients or by queries, in percent."""
    names = list(dict.fromkeys(one["attack"] for row in study["rows"] for one in row["ar"]))
    rows = []
    for row in ordered(study):
        found = {(one["attack"], one["level"]): one.get("own") or one.get("queries") for one in row["ar"]}
        cells = []
        for name in names:
            rates = [found.get((name, level)) for level in LEVELS]
            cells.append(" / ".join(NOTHING if one is None else percent(one["rate"], 0) for one in rates))
        rows.append([named(row), *cells])
    return markdown(["method, bits", *names], rows)


def claims(study: Values) -> str:
    """Each published sentence, its answer on this run and the figure that decides."""
    rows = [
        [one["sentence"], f"**{one['answer']}**", _figure(one), one["of"], one["why"] or NOTHING]
        for one in study["claims"]
    ]
    return markdown(["published", "here", "figure [95 %]", "of what", "why"], rows)


def claims_by_method(study: Values) -> str:
    """The answers that hang on the method."""
    rows = [
        [one["sentence"], part["name"], f"**{part['answer']}**", _figure(part)]
        for one in study["claims"]
        for part in one["parts"]
    ]
    return markdown(["published", "method", "here", "figure [95 %]"], rows) if rows else ""


def notes(study: Values) -> str:
    """What the run says of its own limits."""
    return "\n".join(f"- {one}" for one in study.get("notes", [])) or "- None."


def clean(networks: Mapping[str, Values]) -> str:
    """Test accuracy of the trained networks, their recipe, and what the literature has."""
    rows = []
    for name in sorted(networks, key=lambda one: (one.split("-")[0], -bits_of(one))):
        one, method = networks[name], name.split("-")[0]
        published = LITERATURE.get((method, bits_of(name)))
        rows.append(
            [
                name,
                f"{one['epochs']:g} x {one['rate']:g}",
                f"{one['top1']:.2f}",
                f"{one['onnx_top1']:.2f}",
                f"{one['same_class']:.2f}",
                f"{one['same_class_optimised']:.2f}",
                NOTHING if published is None else f"{published:.2f}",
            ]
        )
    headings = ["network", "epochs x rate", "PyTorch", "ONNX file", "same class", "same class, optimised", "literature"]
    return markdown(headings, rows)


def bits_of(name: str) -> int:
    """4 of `lsq-w4a4`, 32 of the float network."""
    return 32 if name.startswith("float") else int(name.rsplit("a", 1)[1])


def _figure(one: Values) -> str:
    if one["figure"] is None:
        return NOTHING
    return interval(one["figure"], one["ci95"])
