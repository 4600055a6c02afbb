"""Right and wrong answers, a bit each: those of 10,000 images under 100 conditions are 125 kB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt


class Packed(Mapping[str, npt.NDArray[np.bool_]]):
    """Condition id -> bool [N], unpacked when it is asked for; filled condition by condition."""

    def __init__(self) -> None:
        self._bits: dict[str, tuple[npt.NDArray[np.uint8], int]] = {}

    def add(self, condition: str, correct: npt.NDArray[np.bool_]) -> None:
        """The answers to one more condition, bool [N]."""
        self._bits[condition] = np.packbits(correct), len(correct)

    def __getitem__(self, condition: str) -> npt.NDArray[np.bool_]:
        bits, images = self._bits[condition]
        return np.unpackbits(bits, count=images).astype(np.bool_)

    def __contains__(self, condition: object) -> bool:
        return condition in self._bits

    def __iter__(self) -> Iterator[str]:
        return iter(self._bits)

    def __len__(self) -> int:
        return len(self._bits)
