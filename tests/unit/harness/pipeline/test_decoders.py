"""What each decoder makes of each kind of file: the table of harness.pipeline.decoders, cell by cell, and bad input."""

import io
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torchvision_without_cuda
from PIL import Image, ImageOps

from seatrial.errors import BadInputError, UnsupportedError, UsageError
from seatrial.exporters import ContractOptions
from seatrial.exporters.contract import DECODERS, InputContract
from seatrial.harness.contract.flags import flags_of
from seatrial.harness.data.source import Payload
from seatrial.harness.pipeline.decoders import available_decoders, decode, jpeg, registry, unavailable
from seatrial.harness.pipeline.reference import model_pixels

TURBO = ("turbojpeg", "turbojpeg-fast-dct", "turbojpeg-fast-upsample", "turbojpeg-fast")
LOSSLESS = ("opencv", "ffmpeg", *TURBO, "torchvision", "dali")


@pytest.fixture(params=[name for name in DECODERS if name != "nvjpeg"])
def decoder(request):
    return usable(request.param)


def usable(name):
    if name == "torchvision":
        torchvision_without_cuda.make_importable()
    reason = unavailable(name)
    if reason is not None:
        pytest.skip(reason)
    return name


def photograph(width=50, height=40, mode="RGB", seed=0):
    bands = len(Image.new(mode, (1, 1)).getbands())
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, bands), dtype=np.uint8)
    image = Image.fromarray(coarse.squeeze(), mode="CMYK" if mode == "CMYK" else None)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return Payload("test.img", buffer.getvalue())


def several(kind, **options):
    first, *others = (photograph(seed=seed) for seed in range(3))
    return encoded(first, kind, save_all=True, append_images=others, duration=100, **options)


def pillows(payload):
    return np.asarray(Image.open(io.BytesIO(payload.content)).convert("RGB"))


def refused(payload, decoder, match=r"test\.img"):
    with pytest.raises(BadInputError, match=match):
        decode(payload, decoder)


def inverse_dct(decoder):
    """How far its inverse DCT is from the accurate one; the fast one is so much worse at high qualities."""
    return 12 if decoder in ("turbojpeg-fast-dct", "turbojpeg-fast") else 1 if decoder == "ffmpeg" else 0


# Every cell of the table


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("mode", ["RGB", "1", "L", "LA", "P", "RGBA"])
def test_png_is_what_it_says_and_alpha_is_dropped(name, mode):
    image = photograph().convert(mode) if mode in ("P", "1") else photograph(mode=mode)
    payload = encoded(image)
    pixels = decode(payload, usable(name))
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_lossless_webp_is_what_it_says_and_alpha_is_dropped(name, mode):
    image = photograph(mode=mode)
    payload = encoded(image, "WEBP", lossless=True, exact=True)
    np.testing.assert_array_equal(decode(payload, usable(name)), np.asarray(image)[..., :3])


@pytest.mark.parametrize("mode", ["L", "1"])
def test_gray_jpeg_and_pgm_become_three_equal_channels(decoder, mode):
    image = photograph(mode="L").convert(mode)
    pixels = decode(encoded(image.convert("L"), "JPEG", quality=95), decoder)
    assert (pixels == pixels[..., :1]).all()
    expected = pillows(encoded(image.convert("L"), "JPEG", quality=95)).astype(int)
    assert np.abs(pixels - expected).max() <= inverse_dct(decoder)
    if decoder != "torchvision":
        np.testing.assert_array_equal(decode(encoded(image, "PPM"), decoder), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("kind", ["BMP", "PPM", "TIFF", "JPEG2000"])
def test_uncompressed_formats_are_read_by_all_but_torchvision(decoder, kind):
    payload = encoded(photograph(), kind)
    if decoder == "torchvision":
        refused(payload, decoder, f"test.img.*torchvision is given no {kind} file; --decoder pillow")
    else:
        np.testing.assert_array_equal(decode(payload, decoder), np.asarray(photograph()))


@pytest.mark.parametrize(
    ("kind", "without"),
    [
        ("GIF", ("torchvision", "dali")),
        ("AVIF", ("ffmpeg", "torchvision", "dali")),
        ("TGA", ("opencv", "torchvision", "dali")),
        ("PCX", ("opencv", "torchvision", "dali")),
    ],
)
def test_rarer_formats(decoder, kind, without):
    image = photograph().convert("P").convert("RGB") if kind == "GIF" else photograph()
    payload = encoded(image, kind)
    if decoder in without:
        refused(payload, decoder)
    else:
        np.testing.assert_array_equal(decode(payload, decoder), pillows(payload))


def test_alpha_of_a_tiff_file(decoder):
    image = photograph(mode="RGBA")
    payload = encoded(image, "TIFF")
    if decoder == "torchvision":
        refused(payload, decoder)
        return
    values = np.asarray(image).astype(int)
    pixels = decode(payload, decoder).astype(int)
    if decoder == "opencv":
        assert np.abs(pixels - values[..., :3] * values[..., 3:] / 255).max() <= 1
    else:
        np.testing.assert_array_equal(pixels, values[..., :3])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_of_gray(decoder, kind):
    values = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    payload = encoded(Image.fromarray(values), kind)
    if (decoder == "torchvision" and kind == "TIFF") or decoder not in ("opencv", "torchvision", "ffmpeg", "dali"):
        refused(payload, decoder)
        return
    expected = {
        "opencv": values >> 8,
        "torchvision": values >> 8,
        "ffmpeg": np.minimum((values.astype(int) + 128) >> 8, 255),
        "dali": np.round(values / 257),
    }[decoder]
    np.testing.assert_array_equal(decode(payload, decoder), np.repeat(expected[..., None], 3, axis=2))


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_pixels_without_a_largest_number(decoder, dtype):
    refused(encoded(Image.fromarray(np.ones((8, 8), dtype)), "TIFF"), decoder)


def test_sixteen_bits_of_colour(decoder):
    values = np.random.default_rng(0).integers(0, 65536, (9, 7, 3)).astype(np.uint16)
    pixels = decode(Payload("deep.png", cv2.imencode(".png", values)[1].tobytes()), decoder)
    values = values[..., ::-1]
    if decoder == "ffmpeg":
        assert np.abs(pixels - np.minimum((values.astype(int) + 128) >> 8, 255)).max() <= 1
    else:
        np.testing.assert_array_equal(pixels, np.round(values / 257) if decoder == "dali" else values >> 8)


@pytest.mark.parametrize("kind", ["CMYK", "YCCK"])
def test_inks_become_rgb(decoder, kind):
    image = photograph(mode="CMYK")
    if kind == "CMYK":
        payload = encoded(image, "JPEG", quality=95)
    else:  # TurboJPEG stores inks as YCCK
        simplejpeg = pytest.importorskip("simplejpeg")
        inks = np.ascontiguousarray(np.asarray(image))
        payload = Payload("test.img", simplejpeg.encode_jpeg(inks, quality=95, colorspace="CMYK"))
    inks = 255 - np.asarray(Image.open(io.BytesIO(payload.content))).astype(int)  # as Adobe stores them
    expected = inks[..., :3] * inks[..., 3:] / 255
    allowed = {"pillow": 1, "torchvision": 1, "ffmpeg": 3}.get(decoder, 2)
    assert np.abs(decode(payload, decoder) - expected).max() <= allowed + inverse_dct(decoder)


def test_the_first_of_several_pictures(decoder):
    first = np.asarray(photograph())
    np.testing.assert_array_equal(decode(several("PNG"), decoder), first)
    webp = several("WEBP", lossless=True)
    if decoder in ("ffmpeg", "torchvision"):
        refused(webp, decoder)
    else:
        np.testing.assert_array_equal(decode(webp, decoder), first)
    gif = several("GIF")
    if decoder in ("torchvision", "dali"):
        refused(gif, decoder)
    else:
        np.testing.assert_array_equal(decode(gif, decoder), pillows(gif))
    if decoder != "torchvision":
        np.testing.assert_array_equal(decode(several("TIFF"), decoder), first)
    phone = several("MPO")  # JPEG, and JPEG behind it
    alone = Payload("test.img", phone.content[: phone.content.index(b"\xff\xd9\xff\xd8") + 2])
    np.testing.assert_array_equal(decode(phone, decoder), decode(alone, decoder))


def test_jpeg_of_twelve_bits_is_refused(decoder):
    raw = bytearray(encoded(photograph(), "JPEG").content)
    raw[raw.index(b"\xff\xc0") + 4] = 12  # SOF0's precision
    refused(Payload("test.img", bytes(raw)), decoder, r"test\.img.*no header that is understood, of JPEG")


# Ordinary JPEG files


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"subsampling": 1}, {"progressive": True}])
@pytest.mark.parametrize("size", [(50, 40), (51, 41), (1, 1), (3000, 17)])
def test_jpeg_at_full_scale_is_close_to_pillows(decoder, options, size):
    payload = encoded(photograph(*size), "JPEG", quality=90, **options)
    difference = np.abs(decode(payload, decoder).astype(int) - pillows(payload))
    if decoder in ("pillow", "opencv", "turbojpeg", "torchvision", "dali"):
        assert difference.max() == 0
    else:  # the bounds are for chroma that is enlarged in another way, on an image of strong colours
        assert difference.max() <= (12 if decoder == "turbojpeg-fast-dct" else 100)
        assert difference.mean() <= 10


def test_the_shortcuts_are_taken():
    payload = encoded(photograph(200, 200), "JPEG", quality=90)
    by = {name: decode(payload, usable(name)) for name in TURBO}
    assert len({pixels.tobytes() for pixels in by.values()}) == 4
    whole = encoded(photograph(200, 200), "JPEG", quality=90, subsampling=0)  # no chroma to enlarge
    by = {name: decode(whole, name) for name in TURBO}
    np.testing.assert_array_equal(by["turbojpeg"], by["turbojpeg-fast-upsample"])
    np.testing.assert_array_equal(by["turbojpeg-fast-dct"], by["turbojpeg-fast"])


def test_decoders_give_the_same_from_several_threads(decoder):
    payloads = [encoded(photograph(64 + n, 48 + n, seed=n), "JPEG") for n in range(24)]
    alone = [decode(payload, decoder) for payload in payloads]
    with ThreadPoolExecutor(6) as pool:
        for expected, found in zip(alone, pool.map(lambda payload: decode(payload, decoder), payloads), strict=True):
            np.testing.assert_array_equal(found, expected)


# EXIF orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_orientation_is_ignored_or_applied(decoder, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned, plain = encoded(photograph(), kind, exif=exif), encoded(photograph(), kind)
    np.testing.assert_array_equal(decode(turned, decoder), decode(plain, decoder))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(turned.content))).convert("RGB")
    stored = Image.fromarray(decode(plain, decoder))
    stored.getexif()[0x0112] = orientation
    applied = decode(turned, decoder, "apply")
    assert applied.shape == np.asarray(upright).shape
    np.testing.assert_array_equal(applied, np.asarray(ImageOps.exif_transpose(stored)))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_means_nothing_is_upright(value):
    exif = Image.Exif()
    exif[0x0112] = value
    payload = encoded(photograph(), "JPEG", exif=exif)
    np.testing.assert_array_equal(decode(payload, "pillow", "apply"), decode(payload))


def test_the_orientation_is_part_of_the_contract():
    contract = InputContract((40, 50), "exact")
    applied = InputContract((40, 50), "exact", orientation="apply")
    assert contract.image_side() != applied.image_side()
    assert InputContract.from_dict(applied.to_dict()) == applied
    assert ContractOptions(orientation="apply").resolve(contract) == applied
    assert " ".join(flags_of(applied)).count("--orientation apply") == 1
    assert "--orientation" not in flags_of(contract)
    older = {name: value for name, value in contract.to_dict().items() if name != "orientation"}
    assert InputContract.from_dict(older) == contract
    with pytest.raises(UsageError, match=r"Unknown orientation 'turn'. Known: ignore, apply"):
        InputContract((40, 50), orientation="turn")
    exif = Image.Exif()
    exif[0x0112] = 3
    payload = encoded(photograph(), "PNG", exif=exif)
    np.testing.assert_array_equal(model_pixels(payload, applied), model_pixels(payload, contract)[::-1, ::-1])


# Bad input


@pytest.mark.parametrize("kind", ["JPEG", "PROGRESSIVE", "PNG", "WEBP", "BMP", "PPM", "TIFF"])
@pytest.mark.parametrize("keep", [0, 1, 10, 200, -400, -40, -5])
def test_a_truncated_file_is_named_and_refused_and_nothing_else_is_said(decoder, kind, keep, capfd):
    options = {"quality": 95, "progressive": kind == "PROGRESSIVE"} if kind in ("JPEG", "PROGRESSIVE") else {}
    whole = encoded(photograph(200, 200), "JPEG" if options else kind, **options)
    if keep == -5 and kind == "PNG":
        keep = -30  # Pillow does without the end chunk and the checksums
    refused(Payload("test.img", whole.content[:keep]), decoder)
    if decoder not in ("torchvision", "dali"):  # whose C libraries print
        assert capfd.readouterr().err == ""


def test_the_content_decides_and_not_the_name(decoder):
    payload = Payload("photo.jpg", encoded(photograph(), "PNG").content)
    np.testing.assert_array_equal(decode(payload, decoder), np.asarray(photograph()))


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(touch) run\n%%EOF\n",
        b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"GIF89a",
    ],
)
def test_what_would_run_a_program_or_open_another_file_is_no_image(decoder, content):
    refused(Payload("test.img", content), decoder)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("side", [60_000, 20_000, 10_000])  # of the last Pillow only warns
def test_a_decompression_bomb_is_refused_by_its_header(decoder, kind, side):
    raw = bytearray(encoded(Image.new("L", (8, 8)), kind).content)
    if kind == "PNG":
        raw[16:24] = side.to_bytes(4, "big") * 2  # IHDR's width and height
        raw[29:33] = zlib.crc32(raw[12:29]).to_bytes(4, "big")
    else:
        frame = raw.index(b"\xff\xc0")
        raw[frame + 5 : frame + 9] = side.to_bytes(2, "big") * 2  # SOF0's height and width
    refused(Payload("test.img", bytes(raw)), decoder, r"test\.img would decode to too many pixels")


def test_a_file_of_two_sizes_is_refused(decoder, monkeypatch):
    loaded = registry.load(decoder)
    other = encoded(photograph(30, 20)).content

    def swapped(image, content):  # a library that reads another size out of the file than its header shows
        return loaded.decode(Image.open(io.BytesIO(other)), other)

    monkeypatch.setattr("seatrial.harness.pipeline.decoders.load", lambda name: registry.Loaded("1", swapped))
    refused(encoded(photograph()), decoder, r"50x40 by its header, of shape \[20, 30, 3\]")


def test_stray_bytes_before_the_end_marker_are_read_over_as_pillow_does(decoder):
    payload = encoded(photograph(), "JPEG", quality=95)
    strayed = Payload("test.img", payload.content[:-2] + b"\x00\x12\x34" + payload.content[-2:])
    np.testing.assert_array_equal(decode(strayed, decoder), decode(payload, decoder))


def test_damage_that_libjpeg_only_warns_of_is_decoded_as_by_pillow():
    usable("turbojpeg")
    import simplejpeg

    raw = encoded(photograph(), "JPEG", quality=95).content
    warned = 0
    for place in range(raw.index(b"\xff\xda") + 20, len(raw) - 20, 9):
        damaged = raw[:place] + bytes([raw[place] ^ 0x5A]) + raw[place + 1 :]
        if 0xFF in (*raw[place - 1 : place + 1], damaged[place]):  # not a marker, made or broken
            continue
        try:
            simplejpeg.decode_jpeg(damaged, strict=True)
        except ValueError:
            warned += 1
        payload = Payload("test.img", damaged)
        np.testing.assert_array_equal(decode(payload, "turbojpeg"), decode(payload))
    assert warned > 10


def test_where_a_jpeg_file_ends():
    thumbnail = encoded(photograph(20, 16), "JPEG").content
    exif = b"\xff\xe1" + (len(thumbnail) + 8).to_bytes(2, "big") + b"Exif\0\0" + thumbnail
    raw = encoded(photograph(), "JPEG").content
    whole = raw[:2] + exif + raw[2:]
    assert jpeg.is_whole(whole)
    assert not any(jpeg.is_whole(whole[:end]) for end in range(len(whole)))
    assert jpeg.is_whole(whole + b"behind it")
    restarts = encoded(photograph(64, 64), "JPEG", restart_marker_blocks=1).content
    assert b"\xff\xd0" in restarts
    assert jpeg.is_whole(restarts)


# What this machine has


def test_every_decoder_has_a_status():
    found = {status.name: status for status in available_decoders()}
    assert tuple(found) == DECODERS
    assert found["pillow"].missing is None
    assert found["opencv"].version == cv2.__version__
    for name, status in found.items():
        assert (status.version is None) == (status.missing is not None)
        assert status.missing == unavailable(name)
        assert "pip install" in status.install or name in ("pillow", "opencv")
        # What is missing is a package, which can be installed, or a device.
        assert status.missing is None or "pip install" in status.missing or "no NVIDIA GPU" in status.missing


def test_a_missing_library_comes_with_its_install_line(monkeypatch):
    source = registry.Source("ffmpeg", "no_such_library.at_all", "pip install 'seatrial[decoders]'")
    monkeypatch.setitem(registry._SOURCES, "ffmpeg", source)
    registry._load.cache_clear()
    try:
        with pytest.raises(UnsupportedError, match=r"ffmpeg needs no_such_library.*pip install 'seatrial\[decoders\]'"):
            decode(encoded(photograph()), "ffmpeg")
    finally:
        registry._load.cache_clear()


def test_a_library_that_does_not_start_says_why(monkeypatch, tmp_path):
    (tmp_path / "broken_library.py").write_text("raise RuntimeError('built for another machine')\n")
    monkeypatch.syspath_prepend(tmp_path)
    source = registry.Source("ffmpeg", "broken_library", "pip install it")
    monkeypatch.setattr(registry.Source, "load", lambda self: __import__(self.needs))
    monkeypatch.setitem(registry._SOURCES, "ffmpeg", source)
    registry._load.cache_clear()
    try:
        assert unavailable("ffmpeg") == (
            "The decoder ffmpeg needs broken_library, which is installed but does not import: RuntimeError: built for "
            "another machine. Mend it: pip install --upgrade --force-reinstall --no-deps broken_library"
        )
    finally:
        registry._load.cache_clear()


def test_a_library_that_finds_no_device_is_not_to_be_installed_anew(monkeypatch, tmp_path):
    (tmp_path / "sound_library.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    def start(self):
        raise RuntimeError("finds no GPU")

    monkeypatch.setattr(registry.Source, "load", start)
    monkeypatch.setitem(registry._SOURCES, "ffmpeg", registry.Source("ffmpeg", "sound_library", "pip install it"))
    registry._load.cache_clear()
    try:
        assert unavailable("ffmpeg") == "The decoder ffmpeg is installed, but does not start here: finds no GPU."
    finally:
        registry._load.cache_clear()


def test_an_unknown_decoder_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"Unknown decoder 'jpeglib'\. .*Known: pillow, opencv, ffmpeg, turbojpeg"):
        decode(encoded(photograph()), "jpeglib")
