"""Damaged and hostile files: readers end with one of our errors or a good result, never with anything else."""

import io
import struct
import zipfile

import numpy as np
import pytest
from conftest import make_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import exporters
from exporters.contract import InputContract
from harness.data import labeller, open_source, select
from harness.data.source import Payload
from harness.pipeline.reference import model_pixels
from shipcheck.errors import ShipcheckError

FEW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
SMALL = exporters.ContractOptions(size=(16, 16))


@st.composite
def damages(draw):
    """A few edits of a file: (kind, relative position, bytes)."""
    edit = st.tuples(
        st.sampled_from(["flip", "cut", "insert", "zero"]), st.floats(0, 1), st.binary(min_size=1, max_size=8)
    )
    return draw(st.lists(edit, min_size=1, max_size=4))


def damaged(raw, edits):
    content = bytearray(raw)
    for kind, where, extra in edits:
        position = int(where * max(0, len(content) - 1))
        if kind == "cut":
            del content[position:]
        elif kind == "insert":
            content[position:position] = extra
        else:
            for offset, byte in enumerate(extra):
                if position + offset < len(content):
                    content[position + offset] = 0 if kind == "zero" else content[position + offset] ^ (byte or 1)
    return bytes(content)


def refused_or_whole(read, name):
    """What `read` gives, None where it refuses with a message that names the file; nothing else may come out."""
    try:
        return read()
    except ShipcheckError as error:
        if name not in str(error):
            raise
        return None


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    root = tmp_path_factory.mktemp("originals")
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (6, 16, 16, 3), dtype=np.uint8), np.arange(6) % 4
    np.savez(root / "plain.npz", images=images, labels=labels, names=np.array(list("abcdef")))
    np.savez_compressed(root / "packed.npz", images=images, labels=labels)
    encoded = {}
    for kind in ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "PPM"):
        buffer = io.BytesIO()
        Image.fromarray(np.kron(images[0], np.ones((4, 4, 1), np.uint8))).save(buffer, kind)
        encoded[kind] = buffer.getvalue()
    model = make_model(root / "m.onnx").read_bytes()
    return root, model, {name: (root / f"{name}.npz").read_bytes() for name in ("plain", "packed")}, encoded


@FEW
@given(edits=damages())
def test_a_damaged_model_is_refused_or_whole(originals, edits):
    root, model, _, _ = originals
    path = root / "damaged.onnx"
    path.write_bytes(damaged(model, edits))
    loaded = refused_or_whole(lambda: exporters.load(path, contract=SMALL), "damaged.onnx")
    assert loaded is None or loaded.classes > 0


@FEW
@given(edits=damages(), name=st.sampled_from(["plain", "packed"]))
def test_a_damaged_archive_is_refused_or_whole(originals, edits, name):
    root, _, archives, _ = originals
    path = root / "damaged.npz"
    path.write_bytes(damaged(archives[name], edits))

    def read():
        source = open_source(path, 4, labeller(4))
        return len(source.ids), len(dict(source.stream(select(source, seed=0, limit=None).indices)))

    counts = refused_or_whole(read, "damaged.npz")
    assert counts is None or counts[0] == counts[1]


@FEW
@given(edits=damages(), kind=st.sampled_from(["JPEG", "PNG", "BMP", "WEBP", "TIFF", "PPM"]))
def test_a_damaged_image_is_refused_or_decoded(originals, edits, kind):
    _, _, _, encoded = originals
    payload = Payload("damaged.img", damaged(encoded[kind], edits))
    pixels = refused_or_whole(lambda: model_pixels(payload, InputContract((16, 16), "exact")), "damaged.img")
    assert pixels is None or pixels.shape == (16, 16, 3)


@FEW
@given(raw=st.binary(max_size=400))
def test_noise_is_no_file_of_any_kind(originals, raw):
    root = originals[0]
    for name, read in (
        ("noise.onnx", lambda path: exporters.load(path, contract=SMALL)),
        ("noise.npz", lambda path: open_source(path, 4, labeller(4))),
    ):
        (root / name).write_bytes(raw)
        with pytest.raises(ShipcheckError):
            read(root / name)
    with pytest.raises(ShipcheckError):
        model_pixels(Payload("noise.img", raw), InputContract((16, 16), "exact"))


def npy(header, body=b""):
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 224, 224, 3), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 8, 8, 3), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 0, 8, 3), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (3, 8, 8, 3), }",
        "{'descr': '|u1', 'shape': (3, 8, 8, 3), }",
        "__import__('os').system('false')",
        "(" * 100,
    ],
)
def test_an_array_that_lies_about_itself(tmp_path, header):
    path = tmp_path / "d.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", npy(header, b"\0" * 1000))
        archive.writestr("labels.npy", npy("{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }", b"\0" * 24))
    with pytest.raises(ShipcheckError, match=r"d\.npz"):
        list(open_source(path, 4, labeller(4)).stream(range(3)))


def test_a_zip_bomb_is_left_packed(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "images.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3, 8, 8, 3), }", b"\0" * 576)
        )
        with archive.open("labels.npy", "w") as stream:
            stream.write(npy("{'descr': '<i8', 'fortran_order': False, 'shape': (100000000,), }"))
            for _ in range(64):
                stream.write(bytes(1 << 20))
    assert path.stat().st_size < 200_000
    with pytest.raises(ShipcheckError, match="claims 800000000 bytes"):
        open_source(path, 4, labeller(4))
