"""Elastic distortion: a random affine map, then a smooth random displacement of every pixel."""

from __future__ import annotations

import cv2
import numpy as np

from seatrial.harness.conditions.corruptions.exact import Doubles, Floats, interpolated, smoothed

# Places are rounded to 1/256 px for pixels of 8 bits; then to 1/64 px for the 12 bits that are kept of what that gives.
_PIXEL_BITS, _KEPT_BITS = 8, 6
_KEPT = 16  # steps a grey level
# Noise is drawn on a grid of cells up to an eighth of sigma wide: a blur that wide leaves nothing finer.
_CELLS = 8


def jittered(values: Floats, jitter: float, rng: np.random.Generator) -> Floats:
    """Maps the image so that three points around its middle move by up to `jitter` pixels each way.

    values: float32 [H, W, C] of whole levels.
    """
    height, width = values.shape[:2]
    middle = np.array((height, width)) // 2
    reach = min(height, width) // 3
    before = np.array([middle + reach, (middle[0] + reach, middle[1] - reach), middle - reach], np.float64)
    after = before + jitter * (2 * rng.random(before.shape) - 1)
    if reach == 0:  # three points in one place give no map; such an image is a pixel or two wide
        return values
    (ax, bx, cx), (ay, by, cy) = _affine(after, before)
    x, y = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)[:, None]
    return interpolated(values, x * ax + (y * bx + cx), x * ay + (y * by + cy), _PIXEL_BITS, cv2.BORDER_REFLECT_101)


def _affine(source: Doubles, target: Doubles) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """The affine map of three points (x, y) onto three others: its two rows. By differences and Cramer's rule."""
    (px, py), (qx, qy) = (source[1:] - source[0]).tolist()
    determinant = px * qy - py * qx
    rows = []
    for axis in range(2):
        p, q = (target[1:, axis] - target[0, axis]).tolist()
        a, b = (p * qy - q * py) / determinant, (q * px - p * qx) / determinant
        rows.append((a, b, float(target[0, axis]) - (a * float(source[0, 0]) + b * float(source[0, 1]))))
    return rows[0], rows[1]


def displaced(values: Floats, strength: float, smoothness: float, rng: np.random.Generator) -> Floats:
    """Takes every pixel from a place that is `strength` times smoothed noise (uniform in -1..1) away."""
    height, width = values.shape[:2]
    if strength == 0:
        return values
    across = smooth_noise(height, width, smoothness, rng) * strength + np.arange(width)
    down = smooth_noise(height, width, smoothness, rng) * strength + np.arange(height)[:, None]
    kept = np.rint(values * np.float32(_KEPT))
    moved = interpolated(kept, across, down, _KEPT_BITS, cv2.BORDER_REFLECT)
    moved *= np.float32(1 / _KEPT)
    return moved


def smooth_noise(height: int, width: int, sigma: float, rng: np.random.Generator) -> Doubles:
    """float64 [height, width]: uniform noise in -1..1, in 256 steps, blurred by `sigma` pixels, its borders reflected.

    From 16 px on it is drawn and blurred on a coarser grid, with the deviation that the mean of a cell's pixels has.
    """
    cell = max(1, int(sigma / _CELLS))
    coarse = _blurred_noise(-(-height // cell), -(-width // cell), sigma / cell, rng)
    return coarse if cell == 1 else _enlarged(coarse, cell, height, width)


def _blurred_noise(height: int, width: int, sigma: float, rng: np.random.Generator) -> Doubles:
    # Odd numbers from -255 to 255.
    noise = rng.integers(0, 256, (height, width), dtype=np.uint8).astype(np.float64) * 2 - 255
    radius = int(3.0 * sigma + 0.5)
    margin = radius if radius >= min(height, width) else 0  # OpenCV reflects only once
    found = smoothed(np.pad(noise, margin, "symmetric"), sigma, bits=9, truncate_at=3.0, border=cv2.BORDER_REFLECT)
    return found[margin : margin + height, margin : margin + width] * (1 / 256)


def _enlarged(coarse: Doubles, cell: int, height: int, width: int) -> Doubles:
    # In steps of 1/4096 of the largest, at places in steps of 1/32 of a cell.
    unit = float(np.abs(coarse).max()) / 4096 or 1.0
    places = [
        np.tile((np.arange(side) + 0.5) / cell - 0.5, (other, 1)) for side, other in ((width, height), (height, width))
    ]
    whole = np.rint(coarse / unit).astype(np.float32)
    found = interpolated(whole, places[0], places[1].T, 5, cv2.BORDER_REPLICATE)
    return found.astype(np.float64) * (unit / cell)
