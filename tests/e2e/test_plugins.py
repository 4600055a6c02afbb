"""Other packages add parts through entry points: each is used in a real run, and a broken one breaks nothing else."""

import json
import os

import pytest
from conftest import ROOT, bench_process, make_model
from sample_plugin import install_broken, install_sample
from trial_files import trials


def run_with(folder, *arguments):
    """The command, with what is installed in `folder` beside the rest."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    return bench_process(arguments, env=environment)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    install_sample(folder)
    install_broken(folder)
    return folder


@pytest.fixture(scope="module")
def ran(installed, tmp_path_factory):
    root = tmp_path_factory.mktemp("plugins")
    conditions = ("clean", "corruption/sample_darkness@3", "attack/sample-linf@8", "sample-kind/mirrored")
    done = run_with(
        installed,
        *("--model", make_model(root / "m.onnx"), "--size", "16", "--data", "sample:12", "--advisory"),
        *("--engine", "sample-engine", "--bits", "32", "--out", root / "run"),
        *(word for one in conditions for word in ("--conditions", one)),
    )
    assert done.returncode == 0, done.stderr
    return root / "run", conditions


def test_each_part_is_used(ran):
    directory, conditions = ran
    summary = json.loads((directory / "summary.json").read_text())
    assert [one["id"] for one in summary["targets"]] == ["onnxruntime/fp32@cpu", "sample-engine/fp32@cpu"]
    for target in summary["targets"]:
        assert set(target["conditions"]) == set(conditions)
        assert all(one["images"] == 12 for one in target["conditions"].values())
    checks = {check["name"]: check for check in summary["gate"]["checks"]}
    assert checks["sample-size"]["answer"] == "pass"
    assert checks["sample-size"]["measured"] == 12
    assert summary["data"]["name"] == "sample:12"
    # Brighter images are of later classes for the engine; darkness changes nothing of that, the attack's images differ.
    sample = summary["targets"][1]["conditions"]
    assert len(trials(directory)) == 8
    assert sample["clean"]["top1"] != 1.0


def test_a_check_that_raises_fails_and_says_so(ran):
    checks = json.loads((ran[0] / "summary.json").read_text())["gate"]["checks"]
    (raising,) = [check for check in checks if check["name"] == "sample-raises"]
    assert raising["answer"] == "fail"
    assert raising["says"] == "the check of seatrial-broken 0.1 could not be answered: KeyError: 'no such key'"


def test_the_package_and_its_version_shape_the_keys_of_its_trials(ran):
    identity = json.loads((ran[0] / "run.json").read_text())["identity"]
    assert identity["targets"]["sample-engine/fp32@cpu"]["plugin"] == "seatrial-sample 1.2"
    assert "plugin" not in identity["targets"]["onnxruntime/fp32@cpu"]
    for condition in ran[1][1:]:
        assert identity["conditions"][condition]["plugin"] == "seatrial-sample 1.2"
    assert "plugin" not in identity["conditions"]["clean"]


def test_doctor_lists_every_plugin_with_what_is_wrong(installed):
    done = run_with(installed, "doctor", "--engine", "sample-engine", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["engines"][0]["precisions"] == ["fp32"]
    listed = {(one["group"].removeprefix("seatrial."), one["name"], one["package"]): one for one in found["plugins"]}
    usable = {name for (_, name, _), one in listed.items() if one["state"] == "usable"}
    assert usable == {
        *("sample-engine", "sample_darkness", "sample-linf", "sample", "sample-kind", "sample-size", "sample-raises"),
    }
    errors = {name: one["error"] for (_, name, _), one in listed.items() if one["error"] is not None}
    assert errors == {
        "missing": "ModuleNotFoundError: No module named 'seatrial_broken_nowhere'",
        "exits": "SystemExit: no licence",
        "no-engine": "TypeError: an engine is a class derived from seatrial.engines.Engine",
        "openvino": "ValueError: the class is named 'sample-engine': it bears its entry point's name",
        "fog": "ValueError: there is a corruption 'fog' already",
        "sample_twice": "several entry points declare this name",
        "raises-linf": "RuntimeError: line one line two",
    }
    assert listed["corruptions", "sample_twice", "seatrial-rival"]["version"] == "3"


def test_doctor_shows_them_in_its_table(installed):
    done = run_with(installed, "doctor", "--engine", "null")
    words = " ".join(done.stdout.split())
    assert "sample-linf seatrial-sample 1.2 attacks usable" in words
    assert "exits seatrial-broken 0.1 engines broken: SystemExit: no licence" in words


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--engine", "exits"), "Engine 'exits' of seatrial-broken 0.1 is broken: SystemExit: no licence. Mend or"),
        (("--conditions", "corruption/sample_twice@1"), "Corruption 'sample_twice' of seatrial-broken 0.1 is broken"),
        (("--conditions", "attack/raises-linf@2"), "Attack 'raises-linf' of seatrial-broken 0.1 is broken"),
    ],
)
def test_who_asks_for_a_broken_one_is_told_why(installed, tmp_path, arguments, says):
    done = run_with(installed, "--model", "demo", *arguments, "--bits", "32", "--out", tmp_path / "run")
    assert done.returncode == 2
    assert says in done.stderr
