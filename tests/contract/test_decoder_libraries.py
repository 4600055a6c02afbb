"""Every decoder against direct calls of its library, on real files; how far decoders are from each other; fuzzing."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torchvision_without_cuda
from PIL import Image

from seatrial.exporters.contract import DECODERS
from seatrial.harness.data.source import Payload
from seatrial.harness.pipeline.decoders import decode, nvjpeg, unavailable

ROOT = Path(__file__).resolve().parent.parent.parent
LOCAL = [name for name in DECODERS if name != "nvjpeg"]
# Over all JPEG files of the shared data: the share of pixels that differ from Pillow's, the largest difference of a
# value and the mean difference; measured, and rounded up.
FROM_PILLOW = {
    "opencv": (0.0, 0, 0.0),
    "ffmpeg": (0.34, 115, 0.5),
    "turbojpeg": (0.0, 0, 0.0),
    "turbojpeg-fast-dct": (0.87, 25, 1.3),
    "turbojpeg-fast-upsample": (0.19, 70, 0.35),
    "turbojpeg-fast": (0.88, 72, 1.45),
    "torchvision": (0.0, 0, 0.0),
    "dali": (0.0, 0, 0.0),
}


@pytest.fixture(scope="module")
def jpegs(shared):
    found = [path for path in sorted((shared / "data").rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg")]
    assert len(found) >= 400
    return found


@pytest.fixture(scope="module")
def pngs(shared):
    found = sorted((shared / "data" / "gtsrb").rglob("*.png"))
    assert len(found) > 1000
    return found[::40]


def usable(name):
    if name == "torchvision":
        torchvision_without_cuda.make_importable()
    reason = unavailable(name)
    if reason is not None:
        pytest.skip(reason)
    return name


# Direct calls


def by_pillow(raw):
    return np.array(Image.open(io.BytesIO(raw)).convert("RGB"))


def by_opencv(raw):
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    return cv2.imdecode(np.frombuffer(raw, np.uint8), flags)


def by_ffmpeg(raw):
    import av
    from av.video.reformatter import Interpolation, VideoReformatter

    with av.open(io.BytesIO(raw), format="png_pipe" if raw[:4] == b"\x89PNG" else "jpeg_pipe") as container:
        frame = next(container.decode(video=0))
    frame = VideoReformatter().reformat(frame, format="rgb24", interpolation=Interpolation.BICUBIC)
    plane = frame.planes[0]  # lines are padded
    return (
        np.frombuffer(plane, np.uint8)
        .reshape(plane.height, plane.line_size)[:, : plane.width * 3]
        .reshape(plane.height, plane.width, 3)
    )


def by_turbojpeg(**options):
    def call(raw):
        import simplejpeg

        return simplejpeg.decode_jpeg(raw, **options)

    return call


def by_torchvision(raw):
    import torch
    from torchvision.io import decode_jpeg, decode_png

    tensor = torch.frombuffer(bytearray(raw), dtype=torch.uint8)
    return (decode_png if raw[:4] == b"\x89PNG" else decode_jpeg)(tensor, mode="RGB").permute(1, 2, 0).numpy()


def by_dali(raw):
    import nvidia.dali as dali
    from nvidia.dali import fn

    @dali.pipeline_def(batch_size=1, num_threads=1, device_id=None)
    def one():
        return fn.decoders.image(fn.external_source(source=lambda: [np.frombuffer(raw, np.uint8)]), device="cpu")

    pipeline = one()
    pipeline.build()
    return np.array(pipeline.run()[0].at(0))


DIRECT = {
    "pillow": by_pillow,
    "opencv": by_opencv,
    "ffmpeg": by_ffmpeg,
    "turbojpeg": by_turbojpeg(),
    "turbojpeg-fast-dct": by_turbojpeg(fastdct=True),
    "turbojpeg-fast-upsample": by_turbojpeg(fastupsample=True),
    "turbojpeg-fast": by_turbojpeg(fastdct=True, fastupsample=True),
    "torchvision": by_torchvision,
    "dali": by_dali,
}


@pytest.mark.parametrize("name", LOCAL)
def test_jpeg_pixels_are_the_librarys_bit_for_bit(name, jpegs):
    usable(name)
    for path in jpegs[::5]:
        raw = path.read_bytes()
        np.testing.assert_array_equal(decode(Payload(str(path), raw), name), DIRECT[name](raw), err_msg=str(path))


@pytest.mark.parametrize("name", [name for name in LOCAL if not name.startswith("turbojpeg")])
def test_png_pixels_are_the_librarys_bit_for_bit_and_all_agree(name, pngs):
    usable(name)
    for path in pngs:
        raw = path.read_bytes()
        pixels = decode(Payload(str(path), raw), name)
        np.testing.assert_array_equal(pixels, DIRECT[name](raw), err_msg=str(path))
        np.testing.assert_array_equal(pixels, by_pillow(raw), err_msg=str(path))


def test_ffmpeg_is_what_the_ffmpeg_command_gives(jpegs):
    usable("ffmpeg")
    command = shutil.which("ffmpeg")
    if command is None:
        pytest.skip("no ffmpeg command on this machine")
    for path in jpegs[::20]:
        pixels = decode(Payload(str(path), path.read_bytes()), "ffmpeg")
        arguments = ["-loglevel", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        raw = subprocess.run([command, *arguments], check=True, capture_output=True).stdout
        np.testing.assert_array_equal(np.frombuffer(raw, np.uint8).reshape(pixels.shape), pixels, err_msg=str(path))


def test_nvjpegs_calls_are_nvimagecodecs(jpegs):
    nvimgcodec = pytest.importorskip("nvidia.nvimgcodec", reason="nvImageCodec is not installed")
    cpu_only = -99999  # NVIMGCODEC_DEVICE_CPU_ONLY
    backends = [nvimgcodec.Backend(nvimgcodec.BackendKind.CPU_ONLY)]
    decoder = nvimgcodec.Decoder(device_id=cpu_only, max_num_cpu_threads=1, backends=backends)
    loaded = nvjpeg.with_decoder(decoder)
    for path in jpegs[::40]:
        raw = path.read_bytes()
        with Image.open(io.BytesIO(raw)) as image:
            pixels = loaded.decode(image, raw)
            np.testing.assert_array_equal(pixels, by_pillow(raw))  # on the CPU it is libjpeg-turbo
            with pytest.raises(ValueError, match="ends before the picture"):
                loaded.decode(image, raw[:-50])
            broken = raw[: len(raw) // 2].replace(b"\xff\xda", b"\xff\xdb", 1) + raw[len(raw) // 2 :]
            with pytest.raises(ValueError, match="does not decode this file"):
                loaded.decode(image, broken)


# How far they are from each other


@pytest.mark.parametrize("name", LOCAL[1:])
def test_difference_from_pillow_on_real_jpeg_files(name, jpegs):
    usable(name)
    differing, pixels, files, largest, total = 0, 0, 0, 0, 0
    for path in jpegs:
        payload = Payload(str(path), path.read_bytes())
        difference = np.abs(decode(payload, name).astype(np.int16) - decode(payload))
        differing += int(difference.any(axis=2).sum())
        pixels += difference.shape[0] * difference.shape[1]
        files += bool(difference.any())
        largest = max(largest, int(difference.max()))
        total += int(difference.sum(dtype=np.int64))
    mean = total / (3 * pixels)
    print(f"\n| {name} | {files} of {len(jpegs)} | {differing / pixels:.2%} | {largest} | {mean:.3f} |")
    share, most, average = FROM_PILLOW[name]
    assert differing / pixels <= share
    assert largest <= most
    assert mean <= average
    if share:  # a decoder of its own, or with shortcuts: it does differ
        assert differing / pixels > share / 2


# Hostile files


@pytest.mark.parametrize("name", LOCAL)
def test_flipped_bytes_give_pixels_or_an_error_and_never_end_the_process(name, jpegs, pngs, tmp_path):
    usable(name)
    progressive = tmp_path / "progressive.jpg"
    with Image.open(jpegs[0]) as image:
        image.save(progressive, progressive=True)
        image.convert("CMYK").save(tmp_path / "inks.jpg")
    small = sorted(jpegs, key=lambda path: path.stat().st_size)[:3]
    files = [*small, progressive, tmp_path / "inks.jpg", *pngs[:2]]
    command = [sys.executable, ROOT / "tests" / "decoder_fuzz.py", name, "400", *files]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FUZZED")]
    print(f"\n{name}: {line}")
    decoded, refused, memory = map(int, line.split()[1:])
    assert decoded > 40
    assert refused > 40
    assert memory < 2500  # MB; the largest image that is decoded is 268 MB of pixels
