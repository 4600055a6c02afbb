"""Runs with targets on boards: what is asked there is what is asked here; a lost board ends nothing else."""

import dataclasses
import json

import pytest
from conftest import make_folders, make_model
from piped_boards import ENDS, OTHERWISE, PipedPlaces
from specs import flat
from trial_files import trial_files, trials

import bench
from seatrial.errors import DeviceError
from seatrial.exporters import ContractOptions
from seatrial.harness.run.run import finished, reported
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec

HERE = TargetSpec("onnxruntime", "int8")
FAR, OTHER = (dataclasses.replace(HERE, board=name) for name in ("near", "other"))
FLOAT = TargetSpec("onnxruntime", "fp32", board="near")
GLOBS = ("clean", "corruption/fog@3", "pipeline/input=fp16")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("boards")
    return (
        make_model(root / "small.onnx"),
        make_folders(root / "test", images=16),
        make_folders(root / "calib", images=4, seed=1),
    )


def spec(world, out, *targets, conditions=GLOBS, **more):
    model, data, calib = map(str, world)
    given = {"contract": ContractOptions(size=(16, 16)), "batch_size": 8, "conditions": conditions, "out": out, **more}
    return flat(RunSpec, model=model, data=data, calib=calib, targets=targets, **given)


def answers(root):
    """(target, condition) -> what it answered, as it is stored."""
    return {pair: path.read_bytes() for pair, path in trial_files(root).items()}


def rows(root, target, condition):
    return trials(root)[target, condition].drop_columns(["target", "condition"]).to_pydict()


@pytest.fixture(scope="module")
def done(world, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    places = PipedPlaces({"other": OTHERWISE})
    summary, root = finished(spec(world, out, HERE, FAR, FLOAT, OTHER), places=places)
    assert places.closed
    return summary, root


def test_a_board_answers_as_this_machine_does(done):
    summary, root = done
    assert summary.status == "complete"
    assert [target.board for target in summary.targets] == [None, None, "near", "near", "other"]
    for condition in GLOBS:
        assert rows(root, FAR.id, condition) == rows(root, HERE.id, condition)
        assert rows(root, FLOAT.id, condition) == rows(root, "onnxruntime/fp32@cpu", condition)
    assert rows(root, OTHER.id, "clean") != rows(root, HERE.id, "clean")


def test_what_two_places_answer_differently_is_counted_and_listed(done):
    summary, root = done
    found = {(pair["first"], pair["second"]): pair for pair in summary.to_dict()["places"]}
    floats = ("onnxruntime/fp32@cpu", FLOAT.id)
    assert set(found) == {(HERE.id, FAR.id), (HERE.id, OTHER.id), (FAR.id, OTHER.id), floats}
    assert all(pair["same_file"] and pair["same_engine"] for pair in found.values())
    kept = json.loads((root / "places.json").read_text())["pairs"]
    listed = {(pair["first"], pair["second"]): pair for pair in kept}
    for pair, one in found.items():
        for condition in GLOBS:
            first, second = (rows(root, target, condition) for target in pair)
            classes = list(zip(first["top1"], second["top1"], strict=True))
            differing = [image for image, (a, b) in enumerate(classes) if a != b]
            assert one["conditions"][condition]["differing"] == len(differing)
            named = listed[pair]["conditions"].get(condition, {"images": []})["images"]
            assert named == [[first["image_id"][image], first["label"][image], *classes[image]] for image in differing]
    assert found[HERE.id, FAR.id]["differing"] == 0
    assert found[HERE.id, OTHER.id]["differing"] == found[FAR.id, OTHER.id]["differing"] > 0
    page, markdown = (root / "report.html").read_text(), (root / "report.md").read_text()
    assert "Place by place" in page
    assert f"{HERE.id} and {FAR.id} (the same file) give all 192 answers the same class." in page
    assert "Place by place" in markdown


def test_what_was_run_without_boards_goes_on_with_them(world, tmp_path):
    first = spec(world, tmp_path / "run", HERE)
    finished(first)
    before = {path: path.stat().st_mtime_ns for path in trial_files(tmp_path / "run").values()}
    finished(spec(world, tmp_path / "run", HERE, FAR), places=PipedPlaces())
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(trial_files(tmp_path / "run")) == len(before) + len(GLOBS)


def test_a_finished_run_is_told_without_its_boards(done, world, capsys):
    summary, root = done
    away = PipedPlaces(away=("near", "other"))
    again, _ = finished(spec(world, root, HERE, FAR, FLOAT, OTHER), places=away)
    assert again.to_dict()["targets"] == summary.to_dict()["targets"]
    told, _ = reported(spec(world, root, HERE, FAR, FLOAT, OTHER))
    assert told.to_dict()["targets"] == summary.to_dict()["targets"]
    assert bench.main(["compare", str(root), str(root), "--advisory"]) == 0
    assert bench.main(["trial", "--from", str(root), "--target", FAR.id]) == 0
    described = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert {one["key"] for one in described} == {
        path.stem for (target, _), path in trial_files(root).items() if target == FAR.id
    }


def test_a_board_that_cannot_be_reached_ends_its_own_targets(world, tmp_path):
    out, asked = tmp_path / "run", (FAR, HERE, OTHER)
    first = PipedPlaces(away=("near",))
    summary, _ = finished(spec(world, out, *asked), places=first)
    assert first.asked.count("near") <= 3
    assert summary.status == "partial"
    assert [target.id for target in summary.targets] == ["onnxruntime/fp32@cpu", HERE.id, OTHER.id]
    (failed,) = summary.failed
    assert (failed["target"], failed["stage"], failed["outcome"]) == (FAR.id, "build", "failed")
    assert "switched off" in failed["says"]
    before = answers(out)
    whole, _ = finished(spec(world, out, *asked), places=PipedPlaces())
    assert whole.status == "complete"
    assert {target.id for target in whole.targets} == {"onnxruntime/fp32@cpu", HERE.id, FAR.id, OTHER.id}
    after = answers(out)
    assert {pair: after[pair] for pair in before} == before


def test_nothing_but_the_reference_is_left(world, tmp_path, capsys):
    with pytest.raises(DeviceError, match="switched off"):
        finished(spec(world, tmp_path / "run", FAR), places=PipedPlaces(away=("near",)))
    assert not (tmp_path / "run").exists()


def test_a_board_that_is_lost_in_a_run_comes_back_in_the_next(world, tmp_path):
    out, stop = tmp_path / "run", tmp_path / "stop"
    places = PipedPlaces({"near": ENDS.format(str(stop))})
    asked = spec(world, out, HERE, FAR, conditions=("clean", "corruption/*@1"), batch_size=4)

    class Stops:
        """Switches the board off once the trials have begun."""

        def __init__(self):
            from seatrial.harness.progress import Silent

            self._silent = Silent()

        def stage(self, name, total, unit="images"):
            if name == "Running trials":
                stop.touch()
            return self._silent.stage(name, total, unit)

        def tell(self, sentence):
            pass

    summary, _ = finished(asked, Stops(), places)
    assert [target.id for target in summary.targets] == ["onnxruntime/fp32@cpu", HERE.id]
    (failed,) = summary.failed
    assert (failed["target"], failed["stage"], failed["outcome"]) == (FAR.id, "trials", "crashed")
    assert len(rows(out, HERE.id, "clean")["label"]) == 64
    stop.unlink()
    whole, _ = finished(asked, places=PipedPlaces({"near": ENDS.format(str(stop))}))
    assert whole.status == "complete"
    for target, condition in trial_files(out):
        if target == FAR.id:
            assert rows(out, target, condition) == rows(out, HERE.id, condition)
