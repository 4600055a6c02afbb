"""The report of a large run stays one file that a browser opens at once."""

import base64
import dataclasses
import itertools

import numpy as np
from summaries import condition, make_summary
from timed_runs import latency, make_timing, make_tracks

from seatrial.harness.conditions.kinds.corruption.ids import known_corruption_ids
from seatrial.harness.report.html import render_report
from seatrial.harness.report.page.part import Shown

CLASSES = 1000


def test_the_report_of_a_hundred_conditions_on_four_targets_is_below_5_mb():
    rng = np.random.default_rng(0)
    summary = make_summary()
    reference, other = summary["targets"]
    ids = ["clean", *known_corruption_ids(), "pipeline/color=bgr", "pipeline/crop=up", "pipeline/crop=down"]
    names = [f"class {number}, of a long name" for number in range(CLASSES)]
    summary["targets"] = [reference, *({**other, "id": f"vendor{place}:new/x@cpu"} for place in range(3))]
    for target in summary["targets"]:
        delta = None if target is reference else -0.01
        target["conditions"] = {name: condition(0.5, delta) for name in ids}
        bounds = None if delta is None else [-0.02, 0.0]
        target["classes"] = {
            name: {"images": 10, "top1": 0.5, "delta": delta, "ci95": bounds, "p": delta and 0.1} for name in names
        }
    layer = {"op": "Conv", "macs": 100, "requested": "int8", "realized": "int8", "node": None, "reason": None}
    layers = [{**layer, "name": f"backbone/stage/block/{number}/conv"} for number in range(400)]
    pairs = [[before, before + 1, 5, 3, 2] for before in range(200)]
    noise = base64.b64encode(rng.bytes(20_000)).decode()
    picture = {
        "target": "vendor0:new/x@cpu",
        "condition": "corruption/fog@3",
        "image": "a/b.jpg",
        "label": 1,
        "reference": {"class": 1, "probability": 0.9},
        "answer": {"class": 2, "probability": 0.8},
        "clean": f"data:image/jpeg;base64,{noise}",
        "seen": f"data:image/jpeg;base64,{noise[::-1]}",
    }
    targets = [target["id"] for target in summary["targets"]]
    ordered = itertools.combinations(targets, 2)
    apart = [{"first": first, "second": second, "differing": 7, "same_file": False} for first, second in ordered]
    summary["agreement"] = {"condition": "clean", "pairs": apart}
    changed = {"images": 1000, "pairs": pairs}
    beside = Shown(
        summary,
        dict.fromkeys(targets, layers),
        flips={
            "classes": names,
            "condition": "clean",
            "targets": {name: {"first": changed, "all": changed} for name in targets[1:]},
            "pictures": [picture] * 12,
        },
    )
    for target in summary["targets"]:
        target["latency"] = latency(2.0)
    timing = make_timing(targets=targets, rounds=40)
    beside = dataclasses.replace(beside, timing=timing, tracks=make_tracks(timing))
    page = render_report(summary, beside)
    assert len(ids) >= 99
    assert len(page.encode()) < 5_000_000
    for part in (
        "class 999, of a long name",
        "Differences at a glance",
        "Latency over the time of the run",
        "The worst flipped images",
    ):
        assert part in page
