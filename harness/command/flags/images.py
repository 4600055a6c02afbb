"""--data, --limit, --unlabelled: an ImageSource; and --seed."""

from __future__ import annotations

import argparse

from seatrial.harness.command.flags.parser import Given, replaced
from seatrial.harness.spec.images import ImageSource

_DATA = "test images: folder of class folders, .npz (images, labels), or demo"
_LIMIT = "the first N images of the seeded, class-balanced order"


def add(group: argparse._ArgumentGroup, *, data: str = _DATA, limit: int | None = None) -> None:
    """data: what the command takes. limit: its default where it is not all images."""
    add_data(group, data=data)
    default = "" if limit is None else f" (default: {limit})"
    group.add_argument("--limit", type=int, metavar="N", help=_LIMIT + default)
    add_seed(group)


def add_data(group: argparse._ArgumentGroup, *, data: str = _DATA) -> None:
    """--data alone."""
    group.add_argument("--data", metavar="PATH", help=data)


def add_unlabelled(group: argparse._ArgumentGroup) -> None:
    """--unlabelled, of commands that can do without labels."""
    group.add_argument(
        "--unlabelled",
        action="store_true",
        help="ask about all images below --data without labels; not needed for a folder of nothing but images, and for "
        "an .npz without labels",
    )


def add_seed(group: argparse._ArgumentGroup) -> None:
    """--seed, of commands without images to be asked about."""
    group.add_argument("--seed", type=int, metavar="N", help="of orders, noise and bootstrap (default: 0)")


def take(given: Given, base: ImageSource) -> ImageSource:
    """The part."""
    return replaced(base, given, {"data": "data", "limit": "limit", "unlabelled": "unlabelled"})
