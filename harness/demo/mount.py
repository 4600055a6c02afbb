"""Mounting: a weathered sign face on its post, seen from where the camera stands."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from seatrial.harness.demo.noise import contrast, fractal
from seatrial.harness.demo.plates import STYLES
from seatrial.harness.demo.signs import face

Rng = np.random.Generator
Matrix = npt.NDArray[np.float64]


def hang(rng: Rng, scene: Image.Image, index: int) -> tuple[float, float, float]:
    """Paste a sign of class `index` into the RGB `scene`; return its centre x, y and its width, in pixels."""
    width, height = scene.size
    short = min(width, height)
    side = short * rng.uniform(0.24, 0.72)
    # The model sees the middle 48/56 of the short side: the offset keeps nearly all of the sign in it.
    slack = max(0.03 * short, 0.46 * short - side / 2)
    centre_x = width / 2 + rng.uniform(-1, 1) * slack
    centre_y = height / 2 + rng.uniform(-1, 1) * slack
    weathered = _weather(rng, face(index, int(rng.integers(len(STYLES))), side))
    _post(rng, scene, centre_x, centre_y, side)
    view = _homography(rng, centre_x, centre_y, side / 2)
    from_face = view @ _pixels_to_unit(weathered.width)
    to_face = _inverse_up_to_scale(from_face)
    coefficients = (to_face / to_face[2, 2]).ravel()[:8].tolist()
    seen = weathered.transform(scene.size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR)
    scene.paste(seen, (0, 0), seen)
    return centre_x, centre_y, side


def _weather(rng: Rng, image: Image.Image) -> Image.Image:
    """Fade and soil a face; a faded paint loses saturation before it loses brightness."""
    pixels = np.asarray(image).astype(np.float32)
    colour = pixels[..., :3]
    grey = colour.mean(axis=2, keepdims=True)
    colour += (grey * 1.08 - colour) * np.float32(rng.beta(1.2, 4.0))
    colour *= rng.uniform(0.9, 1.05, 3).astype(np.float32)
    if rng.random() < 0.6:
        dirt = contrast(fractal(rng, image.size, rng.uniform(2, 8), 4, 0.7), rng.uniform(0.5, 0.75), 4)
        soil = rng.uniform([50, 45, 35], [110, 105, 95]).astype(np.float32)
        colour += dirt[..., None] * np.float32(rng.uniform(0.1, 0.7)) * (soil - colour)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _post(rng: Rng, scene: Image.Image, x: float, y: float, side: float) -> None:
    if rng.random() < 0.15:
        return
    grey = int(rng.uniform(70, 190))
    foot = x + rng.normal(0, 0.04) * side
    half = max(1.0, side * rng.uniform(0.025, 0.05))
    draw = ImageDraw.Draw(scene)
    outline = [(x - half, y), (x + half, y), (foot + half, scene.height), (foot - half, scene.height)]
    draw.polygon(outline, fill=(grey, grey, grey))
    draw.line([outline[1], outline[2]], fill=(grey // 2,) * 3, width=1)


def _homography(rng: Rng, x: float, y: float, half: float) -> Matrix:
    """Return the 3x3 map from unit face coordinates to image pixels for a random pose."""
    roll = math.radians(rng.normal(0, 7))
    yaw = math.radians(rng.uniform(-52, 52))
    pitch = math.radians(rng.uniform(-22, 22))
    cr, sr, cy, sy, cp, sp = (f(a) for a in (roll, yaw, pitch) for f in (math.cos, math.sin))
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    turn = about_x @ about_y @ about_z
    distance = rng.uniform(3.5, 9.0)  # from the camera, in half widths of the sign
    # The face lies in z = 0: only the first two columns of the rotation matter.
    pose = np.column_stack([turn[:, 0], turn[:, 1], [0.0, 0.0, distance]])
    camera = np.array([[half * distance, 0, x], [0, half * distance, y], [0, 0, 1]])
    view: Matrix = camera @ pose
    return view


def _pixels_to_unit(side: int) -> Matrix:
    return np.array([[2 / side, 0, -1], [0, 2 / side, -1], [0, 0, 1]])


def _inverse_up_to_scale(matrix: Matrix) -> Matrix:
    """Return the adjugate of a 3x3 matrix; a general solver would wake the threads of BLAS for nine numbers."""
    first, second, third = matrix.T
    return np.array([np.cross(second, third), np.cross(third, first), np.cross(first, second)])
