"""metrics.json and bencher.json: every figure, under names that their readers take."""

import json
import math
import posixpath
import re

import pytest
from files_hostile import evil_summary
from summaries import make_summary

from seatrial.harness.report.files.bencher import benchmarks
from seatrial.harness.report.files.metrics import metric_name, metrics


def allowed_by_mlflow(name):
    """As mlflow.utils.validation has it: the signs, no path that has a shorter spelling or leads out, the length."""
    return (
        re.fullmatch(r"[/\w.\- ]*", name, re.ASCII) is not None
        and posixpath.normpath(name) == name
        and name not in (".", "..")
        and not name.startswith(("..", "/"))
        and len(name) <= 250
    )


def test_every_figure_is_there():
    summary = make_summary(name="signs")
    summary["targets"][1]["metrics"]["corruption_delta_ci95"] = [-0.03, -0.01]
    found = metrics(summary)
    assert found["new/x_cpu/clean/top1"] == 0.9
    assert found["new/x_cpu/corruption/pixelate_3/vs_reference/delta"] == -0.02
    assert found["new/x_cpu/clean/top1_ci95/low"] == 0.8
    assert found["new/x_cpu/metrics/corruption_delta_ci95/high"] == -0.01
    assert found["new/x_cpu/latency/single_stream/p99_ms"] == 2.0
    assert found["ref/x_cpu/engine_bytes"] == 123456
    change = {"delta": -0.1, "ci95": [-0.2, 0.0]}
    summary["baseline"] = {"targets": {"new/x@cpu": {"conditions": {"clean": change}, "corrupted": None}}}
    assert metrics(summary)["new/x_cpu/baseline/conditions/clean/ci95/low"] == -0.2
    assert (found["checks/failed"], found["checks/passed"], found["targets/failed"]) == (1, 0, 1)


def test_names_are_mlflows_and_values_are_numbers():
    summary = evil_summary()
    summary["targets"][1]["metrics"]["mce"] = math.nan
    found = metrics(summary)
    assert all(map(allowed_by_mlflow, found))
    assert all(type(value) in (int, float) and math.isfinite(value) for value in found.values())
    json.dumps(found, allow_nan=False).encode()


@pytest.mark.parametrize(
    "name", ["a//b", "/a", "a/", "../a", "a/../b", "./a", "a/.", "...", " a / b ", "ü", "a" * 999, "", "a/ /b"]
)
def test_any_name_becomes_one_that_mlflow_takes(name):
    assert allowed_by_mlflow(metric_name(name))


def test_names_that_look_alike_stay_two():
    summary = make_summary(name="signs")
    summary["targets"][1]["id"] = "new/x_cpu"
    summary["targets"][0]["id"] = "new/x@cpu"
    found = metrics(summary)
    assert sum("latency/single_stream/p50_ms" in name for name in found) == 2


def test_bencher_gets_values_within_their_intervals():
    found = benchmarks(make_summary(name="signs"))
    assert found["new/x@cpu clean"]["top-1"] == pytest.approx({"value": 90, "lower_value": 80, "upper_value": 95})
    points = found["new/x@cpu clean"]["points-vs-reference"]
    assert points == pytest.approx({"value": -2, "lower_value": -3, "upper_value": -1})
    assert found["new/x@cpu"]["p99-ms"] == pytest.approx({"value": 2, "lower_value": 1.96, "upper_value": 2.06})
    assert "points-vs-reference" not in found["ref/x@cpu clean"]


def test_bencher_gets_its_schema():
    for measures in benchmarks(evil_summary()).values():
        assert measures
        for name, values in measures.items():
            assert re.fullmatch(r"[a-z0-9-]{1,64}", name)
            assert {"value"} <= set(values) <= {"value", "lower_value", "upper_value"}
            assert all(isinstance(value, (int, float)) for value in values.values())
