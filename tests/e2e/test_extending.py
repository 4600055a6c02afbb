"""A run that is asked for more, repeated from what it keeps, and taken over by another."""

import pytest
from conftest import make_folders, make_model
from trial_files import trial_files, trials

from seatrial.errors import BadInputError, UsageError
from seatrial.harness.command import parse_flags
from seatrial.harness.command.run import make_parser, spec_of
from seatrial.harness.records.checked import read_values, write_values
from seatrial.harness.run.run import run


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    make_model(root / "m.onnx")
    make_folders(root / "test", images=4)
    make_folders(root / "calib", images=4, seed=1)
    return root


def asked(*words):
    return run(spec_of(parse_flags(make_parser(), list(map(str, words)))))[0]


def common(world, out):
    return [
        "--model",
        world / "m.onnx",
        "--size",
        16,
        "--data",
        world / "test",
        "--calib",
        world / "calib",
        "--out",
        out,
    ]


@pytest.fixture(scope="module")
def at_once(world):
    """Everything asked in one go."""
    out = world / "at-once"
    more = [
        "--precision",
        "int8",
        "--precision",
        "sim-w4a4",
        "--conditions",
        "corruption/fog@3",
        "--conditions",
        "pipeline/color=bgr",
    ]
    asked(*common(world, out), *more, "--conditions", "corruption/impulse_noise@2")
    return out


def written(out):
    return {key: path.stat().st_mtime_ns for key, path in trial_files(out).items()}


def test_a_run_is_extended_and_computes_only_what_is_new(world, at_once, tmp_path):
    out = tmp_path / "run"
    asked(*common(world, out), "--conditions", "clean")
    first = written(out)
    assert set(first) == {("onnxruntime/fp32@cpu", "clean"), ("onnxruntime/int8@cpu", "clean")}
    asked(*common(world, out), "--conditions", "corruption/fog@3")
    second = written(out)
    assert len(second) == 4
    asked(*common(world, out), "--precision", "sim-w4a4", "--conditions", "clean")
    third = written(out)
    assert len(third) == 6
    summary = asked(
        *common(world, out), "--conditions", "corruption/impulse_noise@2", "--conditions", "pipeline/color=bgr"
    )
    assert [list(target["conditions"]) for target in summary["targets"]] == [
        ["clean", "corruption/impulse_noise@2", "corruption/fog@3", "pipeline/color=bgr"]
    ] * 3
    found = written(out)
    assert all(found[key] == time for times in (first, second, third) for key, time in times.items())
    # Step by step and at once are the same trials, by name and by content.
    whole, here = trial_files(at_once), trial_files(out)
    assert {key: path.name for key, path in whole.items()} == {key: path.name for key, path in here.items()}
    assert all(rows.equals(trials(at_once)[key]) for key, rows in trials(out).items())
    again = asked(*common(world, out), "--conditions", "clean")
    assert again["targets"] == summary["targets"]
    assert written(out) == found


@pytest.mark.parametrize(
    ("words", "differs"),
    [
        (["--seed", 1], "seed"),
        (["--limit", 8], "images"),
        (["--mean", 0.4], "model.contract.mean"),
        (["--ranges", "entropy"], "onnxruntime/int8@cpu.quantization.ranges"),
        (["--calib-limit", 8], "onnxruntime/int8@cpu.calibration.digest"),
        (["--threads", 2], "onnxruntime/int8@cpu.threads"),
        (["--corruption-scale", 224], "corruption/fog@3.constants_px"),
    ],
)
def test_what_shapes_the_answers_cannot_change(world, at_once, words, differs):
    with pytest.raises(UsageError, match=f"holds a run of another spec.*{differs}"):
        asked(*common(world, at_once), *words, "--conditions", "corruption/fog@3")


@pytest.mark.parametrize("words", [["--workers", 1], ["--batch-size", 3], ["--max-batch", 7], ["--timeout", 100]])
def test_what_shapes_no_answer_may(world, at_once, words):
    before = written(at_once)
    asked(*common(world, at_once), *words, "--conditions", "clean")
    assert written(at_once) == before


def test_a_run_is_repeated_from_its_directory_in_another_folder(world, tmp_path, monkeypatch):
    monkeypatch.chdir(world)
    words = ["--model", "m.onnx", "--size", 16, "--data", "test", "--calib", "calib", "--seed", 3]
    asked(*words, "--conditions", "corruption/fog@*", "--out", tmp_path / "first")
    monkeypatch.chdir(tmp_path)
    asked("--from", "first", "--out", "again")
    assert trial_files(tmp_path / "again").keys() == trial_files(tmp_path / "first").keys()
    assert all(rows.equals(trials(tmp_path / "first")[key]) for key, rows in trials(tmp_path / "again").items())
    more = asked(
        "--from", "first", "--bits", 32, "--target", "onnxruntime/sim-w4a4", "--conditions", "clean", "--out", "more"
    )
    assert [target["id"] for target in more["targets"]] == [
        *("onnxruntime/fp32@cpu", "onnxruntime/int8@cpu", "onnxruntime/sim-w4a4@cpu")
    ]
    assert len(more["targets"][0]["conditions"]) == 6
    other = asked("--from", "first", "--suite", "quick", "--seed", 4, "--limit", 4, "--out", "other")
    assert len(other["targets"][0]["conditions"]) == 16
    assert other["seed"] == 4
    assert other["targets"][0]["conditions"]["clean"]["images"] == 4


def test_flags_go_before_a_file_and_that_before_another_run(at_once, tmp_path):
    (tmp_path / "c.yaml").write_text("seed: 5\nlimit: 6\n")
    spec = spec_of(
        parse_flags(make_parser(), ["--from", str(at_once), "--config", str(tmp_path / "c.yaml"), "--limit", "7"])
    )
    assert (spec.seed, spec.images.limit, spec.source.contract.size) == (5, 7, (16, 16))


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"identity": {}, "asked": {}}'])
def test_from_a_damaged_run_is_told(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(BadInputError, match="not a"):
        asked("--from", tmp_path)


def test_from_what_is_no_run_is_told(at_once, tmp_path):
    with pytest.raises(UsageError, match="holds no run"):
        asked("--from", tmp_path / "nowhere")
    description = read_values(at_once / "run.json")
    description["spec"]["limits"]["speed"] = 3
    write_values(tmp_path / "run.json", description)
    with pytest.raises(BadInputError, match=r"no limits\.speed"):
        asked("--from", tmp_path)


def test_trials_of_another_run_are_taken_over(world, at_once, tmp_path):
    out = tmp_path / "run"
    words = ["--bits", 8, "--conditions", "corruption/fog@3", "--reuse", at_once]
    asked(*common(world, out), *words)
    assert not (out / "spent.json").exists(), "no trial was run"
    assert len(trial_files(out)) == 4
    assert all(rows.equals(trials(at_once)[key]) for key, rows in trials(out).items())
    other = tmp_path / "other"
    asked(*common(world, other), *words, "--seed", 1)
    assert (other / "spent.json").exists(), "another seed is another trial"
    with pytest.raises(UsageError, match="holds no run"):
        asked(*common(world, tmp_path / "new"), "--conditions", "clean", "--reuse", tmp_path / "nowhere")


def test_adversarial_images_outlive_the_name_of_their_surrogate(world, tmp_path):
    """A second quantized file gives the first another name; what was made on it and answered stays."""
    out = tmp_path / "run"
    asked(*common(world, out), "--conditions", "attack/fgsm-linf@8+qdq")
    before = {path.name: path.stat().st_mtime_ns for path in (out / "trials").iterdir()}
    assert len(before) == 4
    summary = asked(*common(world, out), "--precision", "sim-w4a4", "--conditions", "clean")
    assert list(summary["targets"][2]["conditions"]) == [
        *("clean", "attack/fgsm-linf@8+qdq-onnxruntime-int8", "attack/fgsm-linf@8+qdq-onnxruntime-sim-w4a4")
    ]
    after = {path.name: path.stat().st_mtime_ns for path in (out / "trials").iterdir()}
    assert len(after) == 9
    assert after.items() >= before.items()
