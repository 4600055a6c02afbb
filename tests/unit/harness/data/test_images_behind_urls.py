"""Images behind a URL: the same as in a folder, fetched once, and nothing taken that a folder would not give."""

import zipfile

import fsspec
import numpy as np
import pytest
from conftest import bench, make_folders, make_model

from seatrial.cache import cache_root
from seatrial.errors import BadInputError
from seatrial.harness.data import labeller, open_source, select
from seatrial.harness.data.remote import is_url
from seatrial.harness.plan.load import where_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))
    return make_folders(tmp_path / "images", images=6)


@pytest.fixture
def archive(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as packed:
        for path in sorted(folder.rglob("*.*")):
            packed.write(path, f"val/{path.relative_to(folder).as_posix()}")
    return f"zip://val::file://{tmp_path / 'images.zip'}"


def read(where):
    source = open_source(where, 4, labeller(4))
    chosen = select(source, seed=0, limit=None).hashed()
    return source, chosen, [payload.content for _, payload in chosen.stream()]


def fetched():
    return sorted((cache_root() / "remote").glob("*/*"))


def test_they_are_those_of_the_folder_and_are_fetched_once(folder, archive, monkeypatch):
    _, chosen, contents = read(folder)
    for url in (archive, f"file://{folder}"):
        source, there, others = read(url)
        assert (there.ids, there.labels.tolist(), there.digest) == (chosen.ids, chosen.labels.tolist(), chosen.digest)
        assert contents == others
        assert source.name == ("val" if url == archive else "images")
    kept = fetched()
    assert len(kept) == 2 * len(contents)
    monkeypatch.setattr("fsspec.implementations.zip.ZipFileSystem.get_file", None)
    read(archive)
    assert fetched() == kept


def test_a_part_alone_is_fetched_of_what_a_part_is_asked_for(folder):
    source = open_source(f"file://{folder}", 4, labeller(4))
    assert not fetched()
    assert len(list(source.stream([3, 1]))) == 2
    assert len(fetched()) == 2


def test_what_changed_there_is_fetched_again(folder):
    _, before, _ = read(f"file://{folder}")
    first = folder / before.ids[0]
    first.write_bytes((folder / before.ids[1]).read_bytes())
    _, after, _ = read(f"file://{folder}")
    assert before.digests[0] != after.digests[0] == before.digests[1]


def test_an_archive_of_arrays_is_fetched_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "some.npz", images=images, labels=np.arange(4))
    source = open_source(f"file://{tmp_path / 'some.npz'}", 4, labeller(4))
    found = [payload.content for _, payload in source.stream(range(4))]
    assert np.array_equal(np.stack(found), images)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("val/../../x/evil.png", "no path below"),
        ("val/a/notes.txt", "none by its name"),
        ("val/alone.png", "beside the class folders"),
        ("val/a\x1b[31m/b.txt", "none by its name"),
    ],
)
def test_names_that_a_folder_could_not_have_are_refused(folder, tmp_path, name, says):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as packed:
        packed.write(next(folder.rglob("*.*")), "val/0/good.png")
        packed.writestr(name, b"x")
    with pytest.raises(BadInputError, match=says) as caught:
        open_source(f"zip://val::file://{tmp_path / 'bad.zip'}", 4, labeller(4))
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("file:///nowhere/at/all", "cannot be read"),
        ("nosuch://bucket/val", "[Pp]rotocol not known"),
        ("file://{images}/class0", "beside the class folders"),
        ("file://{file}", "neither a folder"),
    ],
)
def test_what_is_not_there_is_told(folder, url, says):
    with pytest.raises(BadInputError, match=says):
        open_source(url.format(images=folder, file=next(folder.rglob("*.*"))), 4, labeller(4))


def test_a_file_system_that_knows_no_versions_is_refused(folder, monkeypatch):
    real = fsspec.implementations.local.LocalFileSystem.info

    def bare(self, path, **more):
        return {name: value for name, value in real(self, path, **more).items() if name in ("name", "size", "type")}

    monkeypatch.setattr(fsspec.implementations.local.LocalFileSystem, "info", bare)
    source = open_source(f"file://{folder}", 4, labeller(4))
    with pytest.raises(BadInputError, match="does not say when a file was changed"):
        list(source.stream([0]))


def test_drives_and_paths_are_no_urls():
    assert not any(map(is_url, ("C://images", "images", "a:b", "/a//b")))
    assert where_of("s3://bucket/val") == "s3://bucket/val"


def test_a_run_on_them_has_the_answers_of_one_on_the_folder(folder, archive, tmp_path):
    words = ["--model", make_model(tmp_path / "m.onnx"), "--size", 16, "--precision", "int8", "--conditions", "clean"]
    tables = []
    for name, where in (("near", folder), ("far", archive)):
        done = bench([*words, "--data", where, "--calib-limit", 4, "--advisory", "--out", tmp_path / name,
                      "--calib", make_folders(tmp_path / f"calib-{name}", images=4, seed=1)])  # fmt: skip
        assert done.returncode == 0, done.stderr
        tables.append(sorted(path.read_bytes() for path in (tmp_path / name / "trials").glob("*.parquet")))
    assert tables[0] == tables[1]
