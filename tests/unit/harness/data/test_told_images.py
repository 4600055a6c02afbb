"""What would be lost, doubled or mistaken without a word is refused or told."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import bench, make_folders, make_model
from PIL import Image

from seatrial.errors import BadInputError, UsageError
from seatrial.harness.command.config import arguments_of
from seatrial.harness.data import labeller, open_source, select
from seatrial.harness.data.labels import read_class_table
from seatrial.harness.data.overlap import copies_words
from seatrial.harness.plan.out import refuse_among_images


def test_copies_are_told():
    assert copies_words(["a", "b"], ["1", "2"], [0, 0]) is None
    told = copies_words(["a", "b", "c", "d"], ["1", "2", "1", "1"], [0, 1, 0, 1])
    assert told.startswith("2 of 4 test images are copies of others (c = a, d = a).")
    assert told.endswith("1 of them bear another label than what they are a copy of.")
    assert "label" not in copies_words(["a", "b"], ["1", "1"], [-1, -2])


def test_a_member_that_stands_twice(tmp_path):
    images = np.zeros((2, 4, 4, 3), np.uint8)
    np.savez(tmp_path / "d.npz", images=images, labels=np.arange(2))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "d.npz", "a") as archive:
        archive.writestr("labels.npy", b"other")
    with pytest.raises(BadInputError, match=r"holds 'labels\.npy' twice"):
        open_source(tmp_path / "d.npz", 2, labeller(2))


def test_names_that_are_not_utf8(tmp_path):
    make_folders(tmp_path / "test", images=2)
    broken = os.fsencode(tmp_path / "test/class0") + b"/\xff\xfe.jpg"
    with Path(os.fsdecode(broken)).open("wb") as stream:
        Image.new("RGB", (8, 8)).save(stream, "JPEG")
    with pytest.raises(BadInputError, match=r"udcff.*has a name that is not UTF-8"):
        select(open_source(tmp_path / "test", 4, labeller(4)), seed=0, limit=None)
    names = np.array(["a", "\ud800"])
    np.savez(tmp_path / "d.npz", images=np.zeros((2, 4, 4, 3), np.uint8), labels=np.arange(2), names=names)
    with pytest.raises(BadInputError, match=r"ud800.*has a name that is not UTF-8"):
        select(open_source(tmp_path / "d.npz", 2, labeller(2)), seed=0, limit=None)


def test_nul_is_in_no_value():
    with pytest.raises(UsageError, match="a NUL"):
        arguments_of({"data": "a\0b"}, ["data"], [], "here")


def test_a_run_directory_among_images(tmp_path, monkeypatch):
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "link").symlink_to(data)
    for out in (data, data / "run", tmp_path / "link/deep/run", data / "../data/run"):
        with pytest.raises(UsageError, match="the next run would take it for a class"):
            refuse_among_images(out, None, "demo", data)
    for out in (tmp_path, tmp_path / "database", tmp_path / "data.npz"):
        refuse_among_images(out, data, None)
    refuse_among_images(None, data)
    monkeypatch.chdir(data)
    with pytest.raises(UsageError, match="The run directory runs would lie"):
        refuse_among_images(None, data)


@pytest.mark.parametrize("line", [f'0,n0,"{"x" * 200_000}"', '0,n0,"a'])
def test_class_files_that_csv_does_not_read(tmp_path, line):
    path = tmp_path / "classes.csv"
    path.write_text(f"index,synset,name\n{line}\n")
    with pytest.raises((BadInputError, UsageError), match=r"classes\.csv"):
        read_class_table(path, 4)


def test_a_class_file_of_a_million_lines_takes_no_minutes(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("".join(f"{index}\n" for index in range(1_000_000)))
    with pytest.raises(UsageError, match="names 1000000 classes"):
        read_class_table(path, 4)


LONG = "x" * 300


@pytest.mark.parametrize(
    "words",
    [
        f"--data {LONG}",
        f"--data test --out {LONG}",
        f"--data test --classes {LONG}",
        f"--data test --baseline {'y/' * 3000}",
        f"--data test --calib {LONG}",
        f"--from {LONG}",
        f"--config {LONG}",
    ],
)
def test_names_that_are_too_long(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    make_model(tmp_path / "m.onnx")
    make_folders(tmp_path / "test", images=2)
    done = bench(["--model", "m.onnx", "--size", "16", *words.split()])
    assert done.returncode == 2
    assert "File name too long" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_in_its_own_images_is_refused_before_anything_is_written(tmp_path):
    model = make_model(tmp_path / "m.onnx")
    data = make_folders(tmp_path / "test", images=2)
    done = bench(["--model", model, "--size", 16, "--data", data, "--calib", data, "--out", data / "run"])
    assert done.returncode == 2
    assert "would take it for a class" in done.stderr
    assert sorted(path.name for path in data.iterdir()) == [f"class{label}" for label in range(4)]
