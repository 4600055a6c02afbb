"""Runs on images without labels: what they tell is what a run with labels tells of agreement, and no more."""

import json

import numpy as np
import pytest
from conftest import bench
from PIL import Image

from seatrial.harness.records.trials import read_any_trial, trials_in

IMAGES = 120


@pytest.fixture(scope="module")
def words(shared):
    data = shared / "data/cifar10"
    model = ["--model", shared / "models/cifar10_resnet20.onnx", "--preset", "cifar10"]
    return [
        *model,
        "--calib",
        data / "calib.npz",
        "--calib-limit",
        32,
        "--engine",
        "onnxruntime",
        "--precision",
        "int8",
    ]


@pytest.fixture(scope="module")
def field(shared, tmp_path_factory):
    """The first test images as files right inside a folder."""
    folder = tmp_path_factory.mktemp("field")
    with np.load(shared / "data/cifar10/test.npz") as data:
        for index, image in enumerate(data["images"][:IMAGES]):
            Image.fromarray(image).save(folder / f"{index:04d}.png")
    return folder


def ran(out, words):
    done = bench(["run", *words, "--out", out])
    assert done.returncode == 0, done.stderr
    return json.loads((out / "summary.json").read_text()), done.stdout


def test_a_folder_of_nothing_but_images_is_asked_about_without_labels(tmp_path, words, field):
    asked = [*words, "--data", field, "--conditions", "clean", "--conditions", "corruption/fog@5"]
    summary, text = ran(tmp_path / "run", asked)
    reference, target = summary["targets"]
    assert summary["data"]["labelled"] is False
    assert (reference["conditions"], target["conditions"], reference["likeness"]) == ({}, {}, {})
    assert list(target["likeness"]) == ["clean", "corruption/fog@5"]
    trials = {key: read_any_trial(path)[1] for key, path in trials_in(tmp_path / "run/trials").items()}
    for condition, found in target["likeness"].items():
        mine, theirs = (trials[one["id"], condition] for one in (target, reference))
        assert set(mine.label.tolist()) == {-1}
        assert found["agreement"] == pytest.approx(float((mine.top1 == theirs.top1).mean()))
        assert found["confidence"] == pytest.approx(float(mine.p_top1.astype(float).mean()))
    names = {check["name"] for check in summary["gate"]["checks"]}
    assert "agreement" in names
    assert not names & {"recovery", "reference", "conditions", "classes", "negative flips", "implausible gain"}
    assert target["metrics"]["corruption_top1"] is None
    assert "Not judged: recovery" in text.replace("\n", " ")
    assert "top-1" not in text
    page = (tmp_path / "run/report.html").read_text()
    assert "Answers as onnxruntime/fp32@cpu" in page


def test_hidden_labels_change_nothing_but_what_is_known_of_them(tmp_path, shared, words):
    asked = [*words, "--data", shared / "data/cifar10/test.npz", "--limit", 100, "--conditions", "corruption/fog@5"]
    known, _ = ran(tmp_path / "known", asked)
    hidden, _ = ran(tmp_path / "hidden", [*asked, "--unlabelled"])
    for condition, figures in known["targets"][1]["conditions"].items():
        found = hidden["targets"][1]["likeness"][condition]
        assert (found["agreement"], found["images"]) == (figures["vs_reference"]["agreement"], 100)
        # What is lost is bounded by what flipped.
        assert abs(figures["vs_reference"]["delta"]) <= 1 - found["agreement"] + 1e-12
    assert hidden["data"]["digest"] != known["data"]["digest"]
    assert hidden["agreement"]["pairs"][0]["both_wrong"] is None


def test_too_few_images_are_inconclusive(tmp_path, words, field):
    summary, text = ran(tmp_path / "run", [*words, "--data", field, "--limit", 20, "--conditions", "clean"])
    assert summary["gate"]["verdict"] == "INCONCLUSIVE"
    assert "would decide" in text.replace("\n", " ")


def test_an_archive_without_labels_and_several_builds(tmp_path, words):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "field.npz", images=rng.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8))
    asked = [*words, "--data", tmp_path / "field.npz", "--conditions", "clean", "--rebuilds", 2]
    asked.append("--advisory")  # noise is unlike what the file was calibrated on
    summary, text = ran(tmp_path / "run", asked)
    assert summary["targets"][1]["rebuilds"]["top1"] is None
    assert "2 builds: p50" in text.replace("\n", " ")


@pytest.mark.parametrize(
    "more",
    [["--conditions", "attack/pgd-linf@2"], ["--conditions", "attack/*"], ["--conditions", "pipeline/combined"]],
)
def test_what_needs_labels_is_refused(tmp_path, words, field, more):
    done = bench(["run", *words, "--data", field, "--out", tmp_path / "run", *more])
    assert done.returncode == 2
    assert "needs labels, and the images have none" in " ".join(done.stderr.split())
    assert not (tmp_path / "run").exists()


def test_of_a_pattern_what_needs_labels_is_left_out_and_said(tmp_path, words, field):
    asked = [*words, "--data", field, "--limit", 10, "--conditions", "pipeline/c*"]
    summary, _ = ran(tmp_path / "run", asked)
    assert "pipeline/color=bgr" in summary["targets"][1]["likeness"]
    assert summary["pipeline"] is None
    assert "Left out, as the images have no labels: pipeline/combined." in summary["notes"]


def test_folders_that_may_be_classes_or_not_are_refused(tmp_path, words, field):
    folder = tmp_path / "both"
    (folder / "day").mkdir(parents=True)
    for index, path in enumerate(sorted(field.iterdir())[:6]):
        (folder / ("day" if index % 2 else "") / path.name).write_bytes(path.read_bytes())
    asked = ["run", *words, "--data", folder, "--conditions", "clean", "--out", tmp_path / "run"]
    done = bench(asked)
    assert (done.returncode, "--unlabelled" in done.stderr) == (2, True)
    summary, _ = ran(tmp_path / "run", [*asked[1:-2], "--unlabelled"])
    assert summary["data"]["images"] == 6


def test_a_released_set_has_its_labels(tmp_path, shared, words):
    folder = tmp_path / "released"
    folder.mkdir()
    with np.load(shared / "data/cifar10/test.npz") as data:
        np.save(folder / "fog.npy", np.tile(data["images"][:4], (5, 1, 1, 1)))
        np.save(folder / "labels.npy", np.tile(data["labels"][:4], 5))
    done = bench(["run", *words, "--data", folder, "--unlabelled", "--out", tmp_path / "run"])
    assert (done.returncode, "released corrupted sets have labels" in done.stderr) == (2, True), done.stderr


def test_single_trials_of_a_run_without_labels_are_its_own(tmp_path, words, field):
    asked = [*words, "--data", field, "--limit", 10, "--conditions", "corruption/fog@5"]
    ran(tmp_path / "run", asked)
    described = bench(["trial", "--from", tmp_path / "run"])
    assert described.returncode == 0, described.stderr
    first = described.stdout.splitlines()[-1]
    (tmp_path / "trial.json").write_text(first)
    done = bench(["trial", tmp_path / "trial.json", "--out", tmp_path / "single"])
    assert done.returncode == 0, done.stderr
    key = json.loads(first)["key"]
    mine = next((tmp_path / "single").rglob(f"{key}.parquet")).read_bytes()
    assert mine == (tmp_path / "run/trials" / f"{key}.parquet").read_bytes()


def test_diff_and_its_remedy_go_by_the_reference(tmp_path, words, field):
    out = tmp_path / "found.json"
    done = bench(["diff", *words, "--data", field, "--limit", 4, "--remedy", "--remedy-limit", 60, "--json", out])
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert (found["answers"]["reference_top1"], found["answers"]["target_top1"]) == (None, None)
    assert found["remedy"]["measure"] == "agreement"
    assert found["remedy"]["reference"]["share"] == 1.0
    assert found["remedy"]["plain"]["share"] == pytest.approx(found["remedy"]["plain"]["share"])
    assert "right: reference" not in done.stdout
