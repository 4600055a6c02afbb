"""Images of files at the model's size, each decoded when it is first asked for: for who looks at a part of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seatrial.exporters.contract import InputContract
from seatrial.harness.data.source import Pixels, Selection
from seatrial.harness.pipeline.reference import model_pixels
from seatrial.harness.pipeline.store import ImageStore


class KeptReader:
    """An ImageReader of a selection of files, which keeps what it has decoded in a nameless scratch file."""

    def __init__(self, selection: Selection, contract: InputContract, folder: Path) -> None:
        """folder: where the scratch file lives; UsageError where it has no room for all images."""
        self._selection, self._contract = selection, contract
        self._store = ImageStore(folder, len(selection), contract.size)
        self._there = np.zeros(len(selection), np.bool_)

    def __len__(self) -> int:
        return len(self._selection)

    def read(self, start: int, stop: int) -> Pixels:
        """uint8 RGB [stop - start, height, width, 3]; BadInputError naming the first image that does not decode."""
        missing = np.flatnonzero(~self._there[start:stop]) + start
        # Two threads that miss the same image decode it twice, to the same bytes.
        for run in np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1) if len(missing) else []:
            begin = int(run[0])
            for position, payload in self._selection.stream(begin, int(run[-1]) + 1):
                self._store.put(begin + position, model_pixels(payload, self._contract))
                self._there[begin + position] = True
        return self._store.read(start, stop)

    def close(self) -> None:
        """Gives the scratch space back."""
        self._store.close()

    def __enter__(self) -> KeptReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
