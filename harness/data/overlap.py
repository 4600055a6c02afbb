"""Calibration images must not be test images: compared by content, because names and encodings prove nothing."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.errors import BadInputError


def copies_words(ids: Sequence[str], digests: Sequence[str], labels: Sequence[int]) -> str | None:
    """What a reader should know of test images whose pixels (at the model's size) are those of another one; None where
    there are none. labels: negative where they are not known.
    """
    first: dict[str, int] = {}
    copies = [(first.setdefault(digest, index), index) for index, digest in enumerate(digests)]
    copies = [(one, other) for one, other in copies if one != other]
    if not copies:
        return None
    apart = sum(labels[one] != labels[other] for one, other in copies if min(labels[one], labels[other]) >= 0)
    pairs = ", ".join(f"{ids[other]} = {ids[one]}" for one, other in copies[:3])
    return (
        f"{len(copies)} of {len(ids)} test images are copies of others ({pairs}{', ...' if len(copies) > 3 else ''}). "
        "Each is counted, which makes intervals narrower than they should be."
        + (f" {apart} of them bear another label than what they are a copy of." if apart else "")
    )


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
