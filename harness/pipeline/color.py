"""Colour as a device hands it on: uint8 RGB [H, W, 3] at the model's size -> the same, `pipeline/color=NAME`.

Cameras and hardware JPEG decoders give NV12: a plane of luma Y and, at half the width and height, one of interleaved
chroma (U = Cb, V = Cr): 4:2:0. The round trip RGB -> NV12 -> RGB, all in 8 bits:

1. Y, U and V of every pixel by the formula of the standard, coefficients to six decimals, rounded to the nearest
   integer (halves up) and clipped to 0..255;
2. one U and one V for each 2 x 2 pixels: their mean, (a + b + c + d + 2) >> 2, which sites the chroma in the middle of
   the four as JPEG does; where a side is odd, its last column or row is repeated first;
3. each U and V for all of its four pixels, as OpenCV does: no interpolation;
4. back to RGB in integers with coefficients of 8 fractional bits, (... + 128) >> 8, clipped to 0..255.

Sources: ITU-R BT.601-7 (Kr = 0.299, Kb = 0.114) and BT.709-6 (Kr = 0.2126, Kb = 0.0722). Limited range has Y in 16..235
and chroma in 16..240; full range has both in 0..255 and for BT.601 is JFIF's. For BT.601, limited range, steps 1 and 4
are to the digit SysNoise's formulas (Wang et al., MLSys 2023, equations 5 to 7) and their integer form.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from seatrial.harness.data.source import Pixels
from seatrial.registry import Registry

Color = Callable[[Pixels], Pixels]

COLORS: Registry[Color] = Registry("colour change")

_DECIMALS = 1_000_000
_Plane = npt.NDArray[np.int32]


@dataclasses.dataclass(frozen=True)
class Matrix:
    """A standard's conversion in integers.

    forward: millionths, rows Y, U, V, columns R, G, B; `black` is added to Y, 128 to U and V. The others are 256ths,
    and with C = Y - black, D = U - 128, E = V - 128: R = luma C + red_v E, G = luma C - green_u D - green_v E,
    B = luma C + blue_u D.
    """

    forward: tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]
    black: int
    luma: int
    red_v: int
    green_u: int
    green_v: int
    blue_u: int


def matrix(kr: float, kb: float, *, full: bool) -> Matrix:
    """The conversion of a standard that weighs red by `kr` and blue by `kb`: Y = kr R + (1 - kr - kb) G + kb B,
    U = (B - Y) / (2 (1 - kb)), V = (R - Y) / (2 (1 - kr)), scaled to the range.
    """
    kg = 1 - kr - kb
    luma, chroma = (1.0, 1.0) if full else (219 / 255, 224 / 255)
    half_u, half_v = chroma / (2 * (1 - kb)), chroma / (2 * (1 - kr))
    rows = (
        (luma * kr, luma * kg, luma * kb),
        (-half_u * kr, -half_u * kg, chroma / 2),
        (chroma / 2, -half_v * kg, -half_v * kb),
    )
    y, u, v = ((round(_DECIMALS * r), round(_DECIMALS * g), round(_DECIMALS * b)) for r, g, b in rows)
    return Matrix(
        forward=(y, u, v),
        black=0 if full else 16,
        luma=round(256 / luma),
        red_v=round(256 / half_v),
        green_u=round(256 * kb / (kg * half_u)),
        green_v=round(256 * kr / (kg * half_v)),
        blue_u=round(256 / half_u),
    )


BT601 = matrix(0.299, 0.114, full=False)
BT601_FULL = matrix(0.299, 0.114, full=True)
BT709 = matrix(0.2126, 0.0722, full=False)
BT709_FULL = matrix(0.2126, 0.0722, full=True)


@COLORS.register("bgr")
def bgr(image: Pixels) -> Pixels:
    """Red and blue swapped: OpenCV's order handed to a model that expects RGB, or the other way round."""
    return np.ascontiguousarray(image[..., ::-1])


@COLORS.register("nv12-bt601")
def nv12_bt601(image: Pixels) -> Pixels:
    """NV12 by BT.601, limited range: standard-definition video, and SysNoise's colour noise."""
    return through_nv12(image, BT601)


@COLORS.register("nv12-bt601-full")
def nv12_bt601_full(image: Pixels) -> Pixels:
    """NV12 by BT.601, full range: the matrix of JPEG (JFIF 1.02)."""
    return through_nv12(image, BT601_FULL)


@COLORS.register("nv12-bt709")
def nv12_bt709(image: Pixels) -> Pixels:
    """NV12 by BT.709, limited range: high-definition video."""
    return through_nv12(image, BT709)


@COLORS.register("nv12-bt709-full")
def nv12_bt709_full(image: Pixels) -> Pixels:
    """NV12 by BT.709, full range."""
    return through_nv12(image, BT709_FULL)


def through_nv12(image: Pixels, way: Matrix) -> Pixels:
    """uint8 RGB [H, W, 3] -> NV12 -> uint8 RGB [H, W, 3]."""
    height, width, _ = image.shape
    even = image if height % 2 == width % 2 == 0 else np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
    planes = even.transpose(2, 0, 1).astype(np.int32, order="C")
    y = _forward(planes, way.forward[0], way.black)
    u, v = (_shared(_forward(planes, row, 128)) - 128 for row in way.forward[1:])
    return np.ascontiguousarray(_backward(y, u, v, way)[:height, :width])


def _forward(planes: _Plane, row: tuple[int, int, int], offset: int) -> _Plane:
    # Below 2^31: the weights of a row come to a million at most, by 255.
    total: _Plane = planes[0] * row[0]
    total += planes[1] * row[1]
    total += planes[2] * row[2]
    total += _DECIMALS // 2
    total //= _DECIMALS
    total += offset
    np.clip(total, 0, 255, out=total)
    return total


def _shared(plane: _Plane) -> _Plane:
    total = plane[0::2, 0::2] + plane[0::2, 1::2] + plane[1::2, 0::2] + plane[1::2, 1::2]
    total += 2
    total >>= 2
    return total


def _backward(y: _Plane, u: _Plane, v: _Plane, way: Matrix) -> Pixels:
    y -= way.black
    y *= way.luma
    y += 128
    image = np.empty((*y.shape, 3), np.uint8)
    chroma = (way.red_v * v, -way.green_u * u - way.green_v * v, way.blue_u * u)
    for channel, shift in enumerate(chroma):
        plane = shift.repeat(2, axis=1).repeat(2, axis=0)
        plane += y
        plane >>= 8
        image[..., channel] = np.clip(plane, 0, 255, out=plane)
    return image
