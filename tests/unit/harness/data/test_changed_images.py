"""Images that change between their hashing and their reading."""

import io
import os
import shutil
import zipfile

import numpy as np
import pytest
from conftest import make_folders, make_model
from specs import flat

from seatrial.errors import BadInputError
from seatrial.exporters import ContractOptions
from seatrial.harness.conditions.kinds.corruption.released import find_released
from seatrial.harness.data import Selection, labeller, open_source, open_unlabelled, select
from seatrial.harness.data.folder import FolderSource
from seatrial.harness.plan.making import make_plan
from seatrial.harness.progress import Silent
from seatrial.harness.run.images import run_images
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec


def folder(root):
    return open_source(make_folders(root / "set"), 4, labeller(4)), root / "set/class1/002.jpg"


def unlabelled(root):
    return open_unlabelled(make_folders(root / "set"), 4, labeller(4)), root / "set/class1/002.jpg"


def by_size(root):
    path = make_folders(root / "set")
    return FolderSource(path, labeller(4), by_content=False), path / "class1/002.jpg"


def archive(root):
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)
    np.savez(root / "set.npz", images=images, labels=np.arange(12) % 4)
    return open_source(root / "set.npz", 4, labeller(4)), root / "set.npz"


def cifar10_c(root):
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
    np.save(root / "fog.npy", images)
    np.save(root / "labels.npy", np.arange(12) % 4)
    return find_released(root, 4, labeller(4)).source("corruption/fog@2"), root / "fog.npy"


def flip(path):
    """Changes one bit of an image; the time of its writing tells nothing."""
    before = path.stat()
    if path.suffix == ".npz":  # whose own checksums hold
        with np.load(path) as arrays:
            images, labels = arrays["images"], arrays["labels"]
        images[7, 3, 2, 1] ^= 1
        np.savez(path, images=images, labels=labels)
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 1
        path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("kind", [folder, unlabelled, archive, cifar10_c])
def test_a_bit_that_changes_after_hashing_is_noticed(tmp_path, kind):
    source, path = kind(tmp_path)
    selection = select(source, seed=0, limit=None).hashed()
    assert len(list(selection.stream())) == len(selection)
    assert [position for position, _ in selection.stream(2, 5)] == [0, 1, 2] or not source.encoded
    flip(path)
    with pytest.raises(BadInputError, match=f"{path.name}.*changed while"):
        list(selection.stream())


@pytest.mark.parametrize("kind", [folder, by_size])
def test_a_file_that_is_gone_or_of_another_size_is_named(tmp_path, kind):
    source, path = kind(tmp_path)
    selection = select(source, seed=0, limit=None).hashed()
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0")
    with pytest.raises(BadInputError, match=r"class1/002\.jpg changed"):
        list(selection.stream())
    path.unlink()
    with pytest.raises(BadInputError, match=r"class1/002\.jpg cannot be read any more: No such file"):
        list(selection.stream())
    with pytest.raises(BadInputError, match="cannot be read any more"):
        select(source, seed=0, limit=None).hashed()


def test_where_sizes_stand_for_content_the_time_of_writing_tells(tmp_path):
    source, path = by_size(tmp_path)
    selection = select(source, seed=0, limit=None).hashed()
    assert len(list(selection.stream())) == 24
    path.write_bytes(path.read_bytes())
    with pytest.raises(BadInputError, match=r"class1/002\.jpg changed"):
        list(selection.stream())


def test_a_shorter_npy_file_is_no_crash(tmp_path):
    source, path = cifar10_c(tmp_path)
    os.truncate(path, path.stat().st_size // 5)
    with pytest.raises(BadInputError, match=r"fog\.npy, image 12 changed"):
        list(source.stream(range(12)))


def test_an_archive_that_goes_on_behind_its_images_is_refused(tmp_path):
    _, path = archive(tmp_path)
    with np.load(path) as arrays, zipfile.ZipFile(tmp_path / "long.npz", "w") as long:
        for name in arrays.files:
            content = io.BytesIO()
            np.save(content, arrays[name])
            long.writestr(f"{name}.npy", content.getvalue() + bytes(100))
    other = open_source(tmp_path / "long.npz", 4, labeller(4))
    with pytest.raises(BadInputError, match="goes on behind its declared size"):
        list(Selection(other, tuple(range(12))).hashed().stream())


@pytest.mark.parametrize("limit", [2, None])
def test_of_an_archive_what_is_not_asked_for_counts_too(tmp_path, limit):
    source, path = archive(tmp_path)
    selection = select(source, seed=0, limit=limit).hashed()
    content = bytearray(path.read_bytes())
    content[1200] ^= 1  # within the images
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="Bad CRC"):
        list(selection.stream())


@pytest.mark.parametrize("part", ["test", "calib"])
def test_a_run_ends_with_the_name_of_the_image_before_any_figure(tmp_path, part):
    make_folders(tmp_path / "test")
    make_folders(tmp_path / "calib", images=4, seed=1)
    spec = flat(
        RunSpec,
        model=str(make_model(tmp_path / "model.onnx")),
        data=str(tmp_path / "test"),
        calib=str(tmp_path / "calib"),
        contract=ContractOptions(size=(16, 16)),
        targets=(TargetSpec("onnxruntime", "int8"),),
        suite="quick",
    )
    plan = make_plan(spec, Silent())
    shutil.copy(tmp_path / part / "class0/000.jpg", tmp_path / part / "class3/001.jpg")
    with pytest.raises(BadInputError, match=rf"{part}/class3/001\.jpg changed while"), run_images(plan, Silent()):
        pass
