"""The command on a served model: as on any engine, and what is told of it is what can be known."""

import html
import json

import pytest
import served_models
from conftest import make_folders, make_model
from served_models import redirects, serving
from trial_files import trial_files, trials

import bench
from seatrial.harness.spec.targets import REFERENCE

TOKEN = "a-token-that-nobody-may-read"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("served")
    return make_model(root / "small.onnx"), make_folders(root / "test", images=12)


def run(world, out, url, *more):
    model, data = world
    words = ["--model", model, "--size", 16, "--data", data, "--out", out, "--conditions", "clean", "--advisory"]
    words += ["--conditions", "corruption/fog@3", "--engine", "kserve", "--place", f"prod={url}"]
    status = bench.main(list(map(str, [*words, *more])))
    summary = out / "summary.json"
    return status, json.loads(summary.read_text()) if summary.exists() else None


def texts(root):
    """All that a run directory says, whatever the file."""
    return b"\n".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())


def test_resnet20_in_int8_is_asked_as_it_is_here(shared, tmp_path, monkeypatch, capsys):
    data = shared / "data/cifar10"
    of_model = ["--model", str(shared / "models/cifar10_resnet20.onnx"), "--preset", "cifar10"]
    calib = ["--calib", str(data / "calib.npz"), "--calib-limit", "64"]
    assert bench.main(["quantize", *of_model, *calib, "--out", str(tmp_path / "int8.onnx"), "--quiet"]) == 0
    monkeypatch.setenv("SEATRIAL_KSERVE_TOKEN", TOKEN)
    conditions = ["clean", "corruption/fog@3", "corruption/contrast@3", "blackbox/square-linf@8"]
    words = [*of_model, *calib, "--data", str(data / "test.npz"), "--limit", "100", "--queries", "5", "--bits", "8"]
    words += ["--engine", "onnxruntime", "--engine", "kserve", *(f"--conditions={one}" for one in conditions)]
    with serving(tmp_path / "int8.onnx", token=TOKEN, stats=True) as (url, _):
        status = bench.main([*words, "--place", f"prod={url}", "--out", str(tmp_path / "run"), "--advisory"])
    assert status == 0
    shown = capsys.readouterr()
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    _, here, served = summary["targets"]
    assert (here["id"], served["id"]) == ("onnxruntime/int8@cpu", "kserve/int8@prod/http")
    rows = trials(tmp_path / "run")
    for condition in conditions:
        assert served["conditions"][condition] == here["conditions"][condition]
        one, other = (rows[name["id"], condition].drop_columns(["target"]) for name in (served, here))
        assert one.equals(other)
    assert served["conditions"]["clean"]["top1"] > 0.85
    assert served["conditions"]["blackbox/square-linf@8"]["top1"] < served["conditions"]["clean"]["top1"]
    assert served["realized"] == {"unknown": 1.0}
    assert served["latency"]["single_stream"]["p50_ms"] > 0
    assert served["latency"]["device"].keys() == {"queue_ms", "h2d_ms", "compute_ms", "d2h_ms"}
    assert served["pace"]["against"] is None
    assert "network" in served["pace"]["unknown"]
    assert served["memory_bytes"] is None
    assert not served["timed"].get("energy")
    (check,) = [one for one in summary["gate"]["checks"] if (one["name"], one["target"]) == ("realized", served["id"])]
    assert check["answer"] == "inconclusive"
    assert "does not tell what it executes" in check["says"]
    assert any(served["id"] in note and "what was said of it" in note for note in summary["notes"])
    report = html.unescape((tmp_path / "run/report.html").read_text())
    assert "endpoint prod, asked from this machine" in report
    assert "By the device's or server's own clock" in report
    for place in (shown.out, shown.err, report):
        assert TOKEN not in place
    assert TOKEN.encode() not in texts(tmp_path)


@pytest.mark.parametrize(
    ("fault", "outcome", "says"),
    [
        (served_models.dies, "failed", "did not answer, asked 4 times"),
        (served_models.hangs, "hung", "did not answer within 3 s"),
        pytest.param(served_models.nan_for_all, "failed", "NaN or infinite", marks=pytest.mark.long),
        pytest.param(served_models.another_shape, "failed", "[1, 3]", marks=pytest.mark.long),
        pytest.param(served_models.garbage, "failed", "no JSON", marks=pytest.mark.long),
        pytest.param(served_models.huge, "failed", "that can be an answer", marks=pytest.mark.long),
        pytest.param(redirects("http://elsewhere.invalid/"), "failed", "elsewhere.invalid", marks=pytest.mark.long),
    ],
)
def test_a_server_that_fails_ends_alone(world, tmp_path, capsys, fault, outcome, says):
    with serving(world[0]) as (url, served):
        served.fault = lambda handler, number: served.timed and not fault(handler)
        status, summary = run(world, tmp_path / "run", url, "--precision", "fp32", "--timeout", "3")
    assert status == 3
    assert summary["status"] == "partial"
    assert [target["id"] for target in summary["targets"]] == [REFERENCE.id]
    (failed,) = summary["failed"]
    assert (failed["target"], failed["stage"], failed["outcome"]) == ("kserve/fp32@prod/http", "trials", outcome)
    assert says in failed["says"]
    assert says in " ".join(capsys.readouterr().out.split())
    assert not [target for target, _ in trial_files(tmp_path / "run") if "kserve" in target]


def test_a_server_that_is_not_there_is_told_and_what_it_answered_stands(world, tmp_path, capsys):
    with serving(world[0]) as (url, _):
        pass
    status, summary = run(world, tmp_path / "run", url)
    assert (status, summary) == (3, None)
    assert "Connection refused" in capsys.readouterr().err
    with serving(world[0]) as (url, _):
        assert run(world, tmp_path / "run", url)[0] == 0
    status, summary = run(world, tmp_path / "run", url)
    assert status == 0
    assert summary["status"] == "complete"
    assert bench.main(["report", str(tmp_path / "run")]) == 0


def test_a_model_that_is_replaced_meanwhile_is_seen_and_its_answers_do_not_stay(world, tmp_path, capsys):
    other = make_model(tmp_path / "other.onnx", seed=1)
    with serving(world[0]) as (url, served), serving(other) as (_, replaced):

        def replaces(handler, number):
            if served.timed:
                served.session = replaced.session
            return False

        served.fault = replaces
        status, summary = run(world, tmp_path / "run", url, "--precision", "fp32")
        assert status == 3
        (failed,) = summary["failed"]
        assert "are answered otherwise, and it tells the same of itself" in failed["says"]
        assert not [target for target, _ in trial_files(tmp_path / "run") if "kserve" in target]
        # It stays the other: the run that was begun on the first cannot go on.
        status, summary = run(world, tmp_path / "run", url, "--precision", "fp32")
        assert status == 3
        assert "changed while it was asked" in summary["failed"][0]["says"]


@pytest.mark.long
def test_a_server_that_tells_otherwise_of_itself_is_another_target(world, tmp_path, capsys):
    with serving(world[0]) as (url, served):
        assert run(world, tmp_path / "run", url, "--conditions", "corruption/contrast@3")[0] == 0
        served.server_version = lambda: "2.0"
        status, _ = run(world, tmp_path / "run", url, "--conditions", "corruption/frost@3")
        assert status == 2
        assert "version" in capsys.readouterr().err


def test_retries_are_told_and_kept(world, tmp_path, capsys):
    with serving(world[0]) as (url, served):
        served.fault = lambda handler, number: number % 9 == 0 and not served_models.status(503)(handler)
        status, _ = run(world, tmp_path / "run", url)
    assert status == 0
    kept = json.loads((tmp_path / "run/audit.json").read_text())["targets"]["kserve/int8@prod/http"]["served"]
    assert kept["asked_again"] > 0
    assert kept["changed"] is None
    assert f"did not answer {kept['asked_again']} queries at once" in " ".join(capsys.readouterr().err.split())


def test_a_trial_of_a_served_model_is_repeated_where_its_place_is_given(world, tmp_path, capsys):
    with serving(world[0]) as (url, _):
        assert run(world, tmp_path / "run", url)[0] == 0
        capsys.readouterr()
        assert (
            bench.main(["trial", "--from", str(tmp_path / "run"), "--target", "kserve/*", "--conditions", "clean"]) == 0
        )
        described = capsys.readouterr().out
        assert url not in described
        (tmp_path / "trials.jsonl").write_text(described)
        words = ["trial", str(tmp_path / "trials.jsonl"), "--out", str(tmp_path / "out")]
        assert bench.main(words) == 3
        assert "--place prod=" in capsys.readouterr().err
        assert bench.main([*words, "--place", f"prod={url}"]) == 0
    key = ("kserve/int8@prod/http", "clean")
    assert trials(tmp_path / "out")[key].equals(trials(tmp_path / "run")[key])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--engine", "kserve"], "--place"),
        (["--engine", "onnxruntime", "--bits", "32", "--place", "a=http://h/v2/models/m"], "No target asks --place a"),
        (["--place", "http://h/m"], "is no address"),
        (["--place", "a=http://h/v2/models/m", "--place", "a=http://h/v2/models/n"], "have one name"),
        (["--place", "http://me:pass@h/v2/models/m"], "a password stands in the address"),
    ],
)
def test_what_cannot_be_meant_is_told_before_anything_is_asked(world, tmp_path, capsys, words, says):
    model, data = world
    given = ["--model", str(model), "--size", "16", "--data", str(data), "--out", str(tmp_path / "run"), *words]
    assert bench.main(given) == 2
    assert says in " ".join(capsys.readouterr().err.split())
