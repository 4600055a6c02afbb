"""Engines that keep, mix up or make up answers while they are timed: the command names each, and says so."""

import html
import json

import pytest
from conftest import bench, make_folders, make_model

NAMES = ("stale", "remembers-inputs", "remembers-addresses", "hasty")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Its answers to different images lie far apart; a query takes a fraction of a millisecond."""
    root = tmp_path_factory.mktemp("untrue")
    return make_model(root / "small.onnx"), make_folders(root / "test", images=10)


def run(world, out, *more):
    model, data = world
    words = ["--model", model, "--size", 16, "--data", data, "--conditions", "clean", "--bits", 32, "--out", out]
    done = bench([*words, "--starts", 1, "--timing-budget", 0, "--end-to-end", "none", *more])
    return done, json.loads((out / "summary.json").read_text())


def kinds(target):
    return {mark["kind"] for mark in target["timed"]["marks"] if mark["scenario"] == "single_stream"}


def test_each_is_named_beside_an_engine_that_is_not(untrue, world, tmp_path):
    engines = [word for name in NAMES for word in ("--engine", name)]
    done, summary = run(world, tmp_path / "run", "--duration", 0.2, *engines)
    targets = {target["engine"]: target for target in summary["targets"]}
    assert list(targets) == ["onnxruntime", *NAMES]
    found = {name: kinds(target) & {"wrong", "stale", "cached"} for name, target in targets.items()}
    assert found["onnxruntime"] == set()
    assert found["stale"] & {"wrong", "stale"}
    assert found["remembers-addresses"] & {"wrong", "stale"}
    assert found["hasty"] == {"wrong"}
    assert found["remembers-inputs"] == {"cached"}
    checks = {check["target"]: check for check in summary["gate"]["checks"] if check["name"] == "timed answers"}
    assert {name: checks[target["id"]]["answer"] for name, target in targets.items()} == {
        "onnxruntime": "pass",
        **dict.fromkeys(NAMES, "fail"),
    }
    assert summary["gate"]["verdict"] != "ACCEPT"
    shown = " ".join(done.stdout.split())
    page = html.unescape((tmp_path / "run/report.html").read_text())
    for name in NAMES:
        said = [mark["says"] for mark in targets[name]["timed"]["marks"] if mark["kind"] in found[name]]
        assert any(
            reason.startswith(targets[name]["id"]) and said[0] in reason for reason in summary["gate"]["reasons"]
        )
        assert said[0] in page
        assert said[0] in shown


TIMED = ["--duration", 2, "--timing-budget", 30]


@pytest.mark.performance
@pytest.mark.parametrize(
    ("name", "kind", "more", "environment"),
    [
        ("stalls", "stalls", TIMED, {}),
        ("drifts", "drift", TIMED, {"UNTRUE_DRIFT_S": "4"}),
        ("strains", "load", [*TIMED, "--scenario", "server"], {}),
    ],
)
def test_what_only_a_quiet_machine_shows_is_named(untrue, shared, tmp_path, monkeypatch, name, kind, more, environment):
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    world = shared / "models/cifar10_resnet20.onnx", shared / "data/cifar10/test.npz"
    model, data = world
    words = ["--model", model, "--preset", "cifar10", "--data", data, "--limit", 100, "--conditions", "clean"]
    words += ["--bits", 32, "--starts", 3, "--end-to-end", "none", "--engine", name, "--out", tmp_path / "run"]
    bench([*words, *more])
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    reference, target = summary["targets"]
    for one in (reference, target):
        print(f"\n{one['id']}: {one['timed']['marks']}", end="")
    assert kind in {mark["kind"] for mark in target["timed"]["marks"]}
    assert not {mark["kind"] for mark in reference["timed"]["marks"]} & {"stalls", "drift", "load"}
