"""Files of a run directory, read as `report`, `compare` and `merge` read the whole of it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from pathlib import Path

from fuzz import mutators
from fuzz.readers.table import reader, values
from fuzz.readers.world import in_run, sealed_table, sealed_values, whole_again, world


def _judge(path: Path) -> None:
    """As `report` does, but for the pages, which are made of what is judged here."""
    from seatrial.harness.records.spec import spec_of_run
    from seatrial.harness.run.run import reported

    with whole_again(path) as run:
        spec = dataclasses.replace(spec_of_run(run, "report"), out=run)
        reported(spec)


def _compare(path: Path) -> None:
    from seatrial.harness.results.baseline.judge import compare_runs

    with whole_again(path) as run:
        json.dumps(compare_runs(run, run.parent / "whole").to_dict(), allow_nan=False)


def _merge(path: Path) -> None:
    """The run as the one shard of itself; nothing of what is left is run."""
    from seatrial.harness.records.checked import read_values, write_values
    from seatrial.harness.run.merging import merge

    with whole_again(path) as run, contextlib.ExitStack() as stack:
        out = run.parent / "merged"
        stack.callback(shutil.rmtree, out, ignore_errors=True)
        if path.name != "run.json":
            write_values(run / "run.json", {**read_values(run / "run.json"), "shard": "1/1"})
        merge([run], out)


def _as_shard(root: Path) -> list[bytes]:
    stored = json.loads((world(root) / "whole/run.json").read_text())
    return [json.dumps({**stored, "shard": "1/1"}).encode()]


def _findings(root: Path) -> list[bytes]:
    """As they stand, and where something is the matter with everything."""
    own = sorted((world(root) / "whole").glob("findings.json"))[0].read_bytes()
    counts = {"images": 100, "better": 30, "worse": 2}
    step = {"kind": "layer", "node": "conv", "op": "Conv", "value": "conv_out", "position": 1, "saturated": 0.1}
    step |= {"own_db": 3.0, "at_8_bits_db": 3.0, "usual_db": 40.0, "apart_db": 37.0, "keep_float": ["conv"]}
    place = {"node": "conv", "value": "conv_out", "share": 0.05}
    differing = {name: {"declared": "a", "other": "b"} for name in ("color", "numbers")}
    reading = {**counts, "readings": 5, "declared_top1": 0.5, "other_top1": 0.9, "likelihood": 0.3, "limit": 0.02}
    reading |= {"p": 0.0, "wrong": True, "at_chance": False, "differing": differing, "flags": ["--color", "bgr"]}
    channel = {"node": "conv", "channel": 3, "ratio": 40.0, "deviations": 9.0}
    repaired = {**counts, "p": 0.0, "damaged": True}
    difference = {"statistic": "brightness", "first": 0.1, "second": 0.5, "difference": -5.0, "interval": [-6.0, -4.0]}
    layers = {"images": 8, "failed": None, "logits_db": 3.0, "parts_at": "conv", "steps": [step], "saturated": [place]}
    full = {
        "schema": 1,
        "contract": {**reading, "trusted": True},
        "calibration": {"images": 16, "released": False, "trusted": True, "differences": [difference]},
        "damage": {"channels": [{**channel, "repaired": repaired}, {**channel, "repaired": None}], "dead": ["fc"]},
        "layers": {"onnxruntime/int8@cpu": {**layers, "unused": [place]}},
    }
    return [own, sealed_values(Path(), json.dumps(full).encode())]


_JSON_FILES = ("run", "audit", "spent", "flips", "timing")
for _file in _JSON_FILES:
    reader(f"{_file}.json", mutators=mutators.JSON, seal=sealed_values, weight=1, **in_run(f"{_file}.json"))(_judge)
reader(
    "findings.json",
    mutators=mutators.JSON,
    seal=sealed_values,
    weight=1,
    **{**in_run("findings.json"), "samples": _findings},
)(_judge)
reader(
    "failures.json",
    weight=1,
    mutators=mutators.JSON,
    seal=sealed_values,
    place=lambda root: world(root) / "run/failures.json",
    samples=values(
        {"failed": [{"target": "onnxruntime/int8@cpu", "stage": "build", "outcome": "crashed", "says": "x"}]}
    ),
)(_judge)
reader(
    "places.json",
    weight=1,
    mutators=mutators.JSON,
    seal=sealed_values,
    place=lambda root: world(root) / "run/places.json",
    samples=values(
        {
            "of": "x",
            "classes": None,
            "pairs": [
                {"first": "a", "second": "b", "conditions": {"clean": {"differing": 1, "images": [["a", 1, 2, 3]]}}}
            ],
        }
    ),
)(_judge)
reader(
    "nodes.json",
    weight=1,
    mutators=mutators.JSON,
    seal=sealed_values,
    place=lambda root: world(root) / "run/nodes.json",
    samples=values(
        {
            "nodes": {"node": {"cores": 2, "processor": {"machine": "x86_64", "features": ["avx2"]}}},
            "repeated": {"onnxruntime/int8@cpu": {"images": 32, "differing": 1, "says": ["1 of 32"]}},
        }
    ),
)(_judge)
for _file, _glob in (
    ("latency", "latency.parquet"),
    ("trial", "trials/*.parquet"),
    ("attack rows", "attacks/*.parquet"),
):
    reader(f"{_file} table", mutators=mutators.TABLE, seal=sealed_table, weight=1, **in_run(_glob))(_judge)
reader("run.json compared", mutators=mutators.JSON, seal=sealed_values, weight=3, **in_run("run.json"))(_compare)
reader("trial compared", mutators=mutators.TABLE, seal=sealed_table, weight=3, **in_run("trials/*.parquet"))(_compare)


reader(
    "shard's run.json",
    mutators=mutators.JSON,
    seal=sealed_values,
    weight=3,
    **{**in_run("run.json"), "samples": _as_shard},
)(_merge)
for _file, _glob in (
    *(("audit", "audit.json"), ("findings", "findings.json"), ("timing", "timing.json"), ("spent", "spent.json")),
):
    reader(f"shard's {_file}", mutators=mutators.JSON, seal=sealed_values, weight=1, **in_run(_glob))(_merge)
reader("shard's trial", mutators=mutators.TABLE, seal=sealed_table, weight=1, **in_run("trials/*.parquet"))(_merge)
