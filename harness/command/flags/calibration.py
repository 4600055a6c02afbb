"""--calib, --calib-limit, --calib-seed, --calib-condition: a CalibrationSource."""

from __future__ import annotations

import argparse

from seatrial.harness.command.flags.parser import Given, replaced
from seatrial.harness.spec.calibration import CalibrationSource

_FIELDS = {"calib": "data", "calib_limit": "limit", "calib_seed": "seed", "calib_condition": "condition"}


def add(group: argparse._ArgumentGroup) -> None:
    """All four."""
    add_calib(group)
    group.add_argument("--calib-limit", type=int, metavar="N", help="the first N of them, likewise; all by default")
    group.add_argument(
        "--calib-seed", type=int, metavar="N", help="which calibration images --calib-limit takes (default: --seed)"
    )
    group.add_argument(
        "--calib-condition", metavar="ID", help="degrade the calibration images, as in corruption/jpeg_compression@3"
    )


def add_calib(group: argparse._ArgumentGroup) -> None:
    """--calib alone."""
    group.add_argument(
        "--calib", metavar="PATH", help="images to calibrate on: a folder, .npz, or demo; no labels needed"
    )


def take(given: Given, base: CalibrationSource) -> CalibrationSource:
    """The part."""
    return replaced(base, given, _FIELDS)
