"""Damaged and hostile files: readers end with one of our errors or a good result, never with anything else."""

import io
import random
import resource
import struct
import subprocess
import sys
import time
import zipfile
import zlib

import numpy as np
import pytest
from conftest import ROOT, make_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import mutated, mutations
from mutations import originals as models
from PIL import Image

from seatrial import exporters
from seatrial.errors import SeatrialError
from seatrial.exporters.contract import InputContract
from seatrial.exporters.float_view import float_view
from seatrial.harness.data import labeller, open_source, select
from seatrial.harness.data.source import Payload
from seatrial.harness.pipeline.reference import model_pixels

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
    except SeatrialError as error:
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


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    root = tmp_path_factory.mktemp("graphs")
    return root, models(root)


def loaded(path):
    model = refused_or_whole(lambda: exporters.load(path, contract=SMALL), path.name)
    if model is not None:
        refused_or_whole(lambda: float_view(model), path.stem)
    return model


@FEW
@given(which=st.integers(0, 5), edits=mutations)
def test_a_model_whose_fields_lie_is_refused_or_whole(graphs, which, edits):
    root, files = graphs
    path = root / "lying.onnx"
    path.write_bytes(mutated(files[which], edits))
    model = loaded(path)
    assert model is None or (model.classes > 0 and len(model.proto.graph.output) == 1)


# Opens every file, with the settings of the engine, and runs one batch; what it says is ONNX Runtime's own affair.
RUNTIME = """
import sys
import numpy, onnxruntime
for path in sys.argv[1:]:
    print(path, flush=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception:
        continue
"""


def test_what_loads_does_not_crash_a_runtime(graphs):
    root, files = graphs
    rng = random.Random(0)
    paths = []
    for index in range(600):
        path = root / f"m{index}.onnx"
        edits = [tuple(rng.randrange(200) for _ in range(4)) for _ in range(rng.randint(1, 2))]
        path.write_bytes(mutated(files[index % len(files)], edits))
        if loaded(path) is not None:
            paths.append(path)
    assert len(paths) > 50  # else this tests nothing
    done = subprocess.run(
        [sys.executable, "-c", RUNTIME, *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30)),
    )
    assert done.returncode == 0, (done.stdout.splitlines()[-1:], done.stderr[-2000:])


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
        with pytest.raises(SeatrialError):
            read(root / name)
    with pytest.raises(SeatrialError):
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
    with pytest.raises(SeatrialError, match=r"d\.npz"):
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
    with pytest.raises(SeatrialError, match="claims 800000000 bytes"):
        open_source(path, 4, labeller(4))


def png(width, height):
    """A valid head, and next to nothing behind it."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(100_000, 100_000), (2**31 - 1, 1), (20_000, 20_000), (1, 2**31 - 1)])
def test_an_image_that_claims_to_be_huge_is_not_decoded(width, height):
    begin = time.monotonic()
    with pytest.raises(SeatrialError, match="bomb"):
        model_pixels(Payload("bomb.png", png(width, height)), InputContract((16, 16), "exact"))
    assert time.monotonic() - begin < 60


def test_names_that_unpack_to_gigabytes_are_left_packed(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "images.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3, 8, 8, 3), }", bytes(576))
        )
        archive.writestr("labels.npy", npy("{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }", bytes(24)))
        with archive.open("names.npy", "w") as stream:
            stream.write(npy("{'descr': '<U200000000', 'fortran_order': False, 'shape': (3,), }"))
            for _ in range(64):
                stream.write(bytes(1 << 20))
    with pytest.raises(SeatrialError, match=r"bomb\.npz: `names` claims 2400000000 bytes"):
        open_source(path, 4, labeller(4))


def test_a_header_that_is_huge_is_left_packed(tmp_path):
    path = tmp_path / "bomb.npz"
    body = b"(" * (64 << 20)
    header = b"\x93NUMPY\x02\x00" + struct.pack("<I", len(body)) + body
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", header)
        archive.writestr("labels.npy", npy("{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }", bytes(24)))
    with pytest.raises(SeatrialError, match=r"bomb\.npz.*its header claims 67108864 bytes"):
        open_source(path, 4, labeller(4))


def test_an_archive_of_very_many_members_is_read_or_refused_in_seconds(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "images.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3, 8, 8, 3), }", bytes(576))
        )
        archive.writestr("labels.npy", npy("{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }", bytes(24)))
        for index in range(60_000):
            archive.writestr(f"{index}", b"")
    begin = time.monotonic()
    assert len(dict(open_source(path, 4, labeller(4)).stream(range(3)))) == 3
    assert time.monotonic() - begin < 60
