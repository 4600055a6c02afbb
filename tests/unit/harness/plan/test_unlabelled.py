"""Images that need no labels: folders of any shape and archives without them, in a seeded order."""

import doctest
import shutil

import numpy as np
import pytest
from conftest import bench, make_folders, make_model

from seatrial.errors import BadInputError
from seatrial.harness.data import labeller, open_data, open_source, open_unlabelled, select, without_labels
from seatrial.harness.plan import calibration
from seatrial.harness.plan.calibration import of_one_class


def unlabelled(path, classes=4):
    return open_unlabelled(path, classes, labeller(classes))


def flat(folders, root):
    """The same images, all directly inside one folder."""
    root.mkdir()
    for index, path in enumerate(sorted(folders.rglob("*.jpg"))):
        shutil.copy(path, root / f"{index:03d}.jpg")
    return root


def test_the_examples_hold():
    found = doctest.testmod(calibration)
    assert found.attempted
    assert not found.failed


def test_class_folders_keep_their_labels_and_their_order(data_folder):
    as_test, as_calib = open_source(data_folder, 4, labeller(4)), unlabelled(data_folder)
    assert as_calib.ids == as_test.ids
    assert as_calib.labels.tolist() == as_test.labels.tolist()
    first = [select(source, seed=3, limit=7).ids for source in (as_test, as_calib)]
    assert first[0] == first[1]


def test_images_directly_inside_are_taken(data_folder, tmp_path):
    source = unlabelled(flat(data_folder, tmp_path / "flat"))
    assert len(source.ids) == 24
    assert set(source.labels.tolist()) == {-1}
    assert not of_one_class(source.labels)
    position, payload = next(iter(source.stream([5])))
    assert (position, payload.content) == (0, (tmp_path / "flat" / source.ids[5]).read_bytes())


def test_folders_nested_in_any_way_are_mixed_in_the_order(data_folder, tmp_path):
    root = tmp_path / "nested"
    for index, path in enumerate(sorted(data_folder.rglob("*.jpg"))):
        place = root / ("", "by day/camera 1", "by night", "by day")[index % 4]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place / f"{index:03d}.jpg")
    (root / ".thumbnails").mkdir()
    (root / ".thumbnails" / "x.jpg").write_bytes(b"no image")
    source = unlabelled(root)
    assert len(source.ids) == 24
    assert source.labels.max() < 0
    chosen = select(source, seed=0, limit=3)
    assert len(set(chosen.labels.tolist())) == 3  # one of each folder, and one from beside them


def test_folders_of_other_names_than_the_classes_are_no_fault(tmp_path):
    source = unlabelled(make_folders(tmp_path / "c", classes=3), classes=4)
    assert (len(source.ids), source.labels.max() < 0) == (18, True)


def test_what_is_no_image_is_still_refused(data_folder, tmp_path):
    root = flat(data_folder, tmp_path / "flat")
    (root / "notes.txt").write_text("no image")
    with pytest.raises(BadInputError, match=r"notes.txt lies among the images"):
        unlabelled(root)
    (root / "notes.txt").unlink()
    (root / "link.jpg").symlink_to(root / "000.jpg")
    with pytest.raises(BadInputError, match="is a link"):
        unlabelled(root)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInputError, match="holds no images"):
        unlabelled(tmp_path / "empty")


def test_archives_without_labels(tmp_path):
    images = np.zeros((5, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "none.npz", images=images)
    np.savez(tmp_path / "other.npz", images=images, labels=np.arange(5) + 7)
    np.savez(tmp_path / "ours.npz", images=images, labels=np.arange(5) % 4)
    assert unlabelled(tmp_path / "none.npz").labels.tolist() == [-1] * 5
    assert unlabelled(tmp_path / "other.npz").labels.tolist() == [-1] * 5
    assert unlabelled(tmp_path / "ours.npz").labels.tolist() == [0, 1, 2, 3, 0]
    with pytest.raises(BadInputError, match=r"no array `labels`.*Only a run, diff and --calib take"):
        open_source(tmp_path / "none.npz", 4, labeller(4))


def test_a_run_calibrates_on_them_and_still_refuses_test_images(data_folder, calib_folder, tmp_path):
    root = flat(calib_folder, tmp_path / "flat")
    words = ["--model", make_model(tmp_path / "m.onnx"), "--size", 16, "--data", data_folder, "--conditions", "clean"]
    words.append("--advisory")  # the network is not trained
    done = bench([*words, "--calib", root, "--out", tmp_path / "run"])
    assert done.returncode == 0, done.stderr
    assert "of one class" not in done.stdout
    shutil.copy(next(data_folder.rglob("*.jpg")), root / "copy.jpg")
    done = bench([*words, "--calib", root, "--out", tmp_path / "other"])
    assert done.returncode == 2
    assert "calibration images are test images, too" in done.stderr


def asked_about(path, *, unlabelled_flag=False):
    return open_data(path, 4, labeller(4), unlabelled=unlabelled_flag)


def test_images_to_be_asked_about_have_labels_where_they_can(data_folder, tmp_path):
    images = np.zeros((5, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "none.npz", images=images)
    np.savez(tmp_path / "ours.npz", images=images, labels=np.arange(5) % 4)
    assert asked_about(data_folder).labels.tolist() == open_source(data_folder, 4, labeller(4)).labels.tolist()
    assert asked_about(tmp_path / "ours.npz").labels.tolist() == [0, 1, 2, 3, 0]
    for path in (flat(data_folder, tmp_path / "flat"), tmp_path / "none.npz"):
        assert asked_about(path).labels.max() < 0
        hidden = without_labels(select(asked_about(path), seed=0, limit=4))
        assert (hidden.labels.tolist(), hidden.labelled) == ([-1] * 4, False)


def test_labels_can_be_hidden_and_the_order_stays(data_folder):
    known = select(asked_about(data_folder), seed=3, limit=7)
    hidden = without_labels(select(asked_about(data_folder, unlabelled_flag=True), seed=3, limit=7))
    assert hidden.ids == known.ids
    assert known.labelled
    assert set(hidden.labels.tolist()) == {-1}
    assert [payload.content for _, payload in hidden.stream()] == [payload.content for _, payload in known.stream()]
    assert hidden.hashed().digests == known.hashed().digests
    assert hidden.hashed().digest != known.hashed().digest


def test_nobody_guesses_whether_folders_are_classes(data_folder, tmp_path):
    shutil.copy(next(data_folder.rglob("*.jpg")), data_folder / "stray.jpg")
    with pytest.raises(BadInputError, match=r"stray.jpg lies beside the class folders.*--unlabelled"):
        asked_about(data_folder)
    assert len(asked_about(data_folder, unlabelled_flag=True).ids) == 25
    with pytest.raises(BadInputError, match=r"3 class folders.*--unlabelled"):
        asked_about(make_folders(tmp_path / "c", classes=3))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInputError, match="no class folders"):
        asked_about(tmp_path / "empty")
