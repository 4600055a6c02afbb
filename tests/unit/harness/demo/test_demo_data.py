"""The demo's images on disk."""

import pytest

from seatrial.errors import BadInputError
from seatrial.harness.demo import dataset, ensure_demo_data


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(dataset, "IMAGES_PER_CLASS", {"test": 1, "calib": 1})


def content(folders):
    return {path: path.read_bytes() for folder in folders for path in sorted(folder.glob("*/*"))}


def test_damaged_and_missing_images_are_rendered_again_and_told(tmp_path, few, caplog):
    folders = ensure_demo_data(tmp_path)
    whole = content(folders)
    assert len(whole) > 20
    first, second, *_ = whole
    changed = bytearray(whole[first])
    changed[-5] ^= 1
    first.write_bytes(changed)
    second.unlink()
    caplog.clear()
    ensure_demo_data(tmp_path)
    assert content(folders) == whole
    assert f"{first} is damaged" in caplog.text
    assert f"{second} is damaged (it is missing)" in caplog.text
    caplog.clear()
    ensure_demo_data(tmp_path)
    assert caplog.text == ""


def test_without_their_checksums_all_images_are_rendered_again(tmp_path, few):
    folders = ensure_demo_data(tmp_path)
    whole = content(folders)
    first = next(iter(whole))
    first.write_bytes(b"?")
    digests = folders[0].parent / "digests"
    digests.write_bytes(digests.read_bytes()[:-1])
    ensure_demo_data(tmp_path)
    assert content(folders) == whole


def test_an_image_too_many_is_refused(tmp_path, few):
    folders = ensure_demo_data(tmp_path)
    next(iter(content(folders))).with_name("9999.jpg").write_bytes(b"?")
    with pytest.raises(BadInputError, match="instead of"):
        ensure_demo_data(tmp_path)
