"""Calibration images must not be test images: compared by content, because names and encodings prove nothing."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.errors import BadInputError


def check_disjoint(
    test_ids: Sequence[str], test_digests: Sequence[str], calib_ids: Sequence[str], calib_digests: Sequence[str]
) -> None:
    """BadInputError where the pixels (at the model's size) of a calibration image are those of a test image."""
    test = dict(zip(test_digests, test_ids, strict=True))
    shared = [(test[digest], name) for digest, name in zip(calib_digests, calib_ids, strict=True) if digest in test]
    if shared:
        pairs = ", ".join(f"{mine} = {other}" for mine, other in shared[:3])
        raise BadInputError(
            f"{len(shared)} of {len(calib_ids)} calibration images are test images, too "
            f"({pairs}{', ...' if len(shared) > 3 else ''}; "
            "test = calibration). Ranges fitted to the test images flatter the result: take other images for --calib."
        )
