"""Images: archives of them, encoded ones by each decoder, released arrays."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fuzz import mutators
from fuzz.readers.table import reader


def _archives(root: Path) -> list[bytes]:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (6, 16, 16, 3), np.uint8), np.arange(6) % 4
    found = []
    for save, more in ((np.savez, {"names": np.array(list("abcdef"))}), (np.savez_compressed, {}), (np.savez, {})):
        stream = io.BytesIO()
        save(stream, images=images, labels=labels, **more)
        found.append(stream.getvalue())
    stream = io.BytesIO()
    np.savez(stream, images=images[..., 0])
    return [*found, stream.getvalue()]


@reader("image archive", _archives, mutators=mutators.ZIP, suffix=".npz", weight=20)
def _read_archive(path: Path) -> None:
    from seatrial.harness.data import labeller, open_data, select

    source = open_data(path, 4, labeller(4), unlabelled=False)
    chosen = select(source, seed=0, limit=None)
    list(source.digests(chosen.indices))
    list(source.stream(chosen.indices))


def _encoded(root: Path) -> list[bytes]:
    from PIL import Image

    rng, found = np.random.default_rng(0), []
    image = Image.fromarray(np.kron(rng.integers(0, 256, (4, 4, 3), np.uint8), np.ones((6, 6, 1), np.uint8)))
    for kind in ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "PPM", "GIF"):
        stream = io.BytesIO()
        image.save(stream, kind)
        found.append(stream.getvalue())
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(stream, "JPEG", exif=exif)
    return [*found, stream.getvalue()]


def _decode(decoder: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        from seatrial.harness.data.source import Payload
        from seatrial.harness.pipeline.decoders import decode

        decode(Payload(str(path), path.read_bytes()), decoder)

    return read


for _decoder in ("pillow", "opencv", "ffmpeg", "turbojpeg"):
    reader(f"image by {_decoder}", _encoded, suffix=".img", weight=12)(_decode(_decoder))


def _npy(root: Path) -> list[bytes]:
    stream = io.BytesIO()
    np.save(stream, np.zeros((20, 4, 4, 3), np.uint8))
    return [stream.getvalue()]


@reader("released .npy", _npy, mutators=mutators.NPY, suffix=".npy")
def _read_released(path: Path) -> None:
    from seatrial.harness.conditions.kinds.corruption.released import NpySource

    if not (path.parent / "labels.npy").exists():
        np.save(path.parent / "labels.npy", np.zeros(20, np.int64))
    source = NpySource(path, 2, 4)
    list(source.digests([0, 1]))
    list(source.stream([0, 1]))
