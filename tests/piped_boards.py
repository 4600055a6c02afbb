"""Boards that are processes of this machine behind pipes: nothing is shared with them but the disk."""

from __future__ import annotations

from collections.abc import Mapping

from piped import piped

from seatrial.engines.boards.places import Places
from seatrial.engines.places import PipedPlace, Place
from seatrial.errors import DeviceError

# Every engine there gives some images, by their own pixels, another class.
OTHERWISE = """
from seatrial.engines.onnxruntime import OnnxRuntimeEngine as _Engine
def _otherwise(self, batch, _infer=_Engine._infer):
    logits = _infer(self, batch)
    for row, image in zip(logits, batch):
        if int(abs(float(image.sum()) * 10)) % 3 == 0:
            row[[0, 1, 2, 3]] = row[[1, 2, 3, 0]]
    return logits
_Engine._infer = _otherwise
"""
# Once a file is there, every engine ends in the midst of its next batch.
ENDS = """
from seatrial.engines.onnxruntime import OnnxRuntimeEngine as _Engine
import os
def _ends(self, batch, _infer=_Engine._infer):
    if os.path.exists({0!r}):
        os._exit(7)
    return _infer(self, batch)
_Engine._infer = _ends
"""


class PipedPlaces(Places):
    """does: board -> what its Python does before it serves. away: those that cannot be reached. asked: how often."""

    def __init__(self, does: Mapping[str, str] | None = None, away: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._does, self._away = dict(does or {}), away
        self._made: dict[str, PipedPlace] = {}
        self.asked: list[str] = []
        self.closed = False

    def of(self, board: str | None) -> Place:
        if board is None:
            return super().of(None)
        self.asked.append(board)
        if board in self._away:
            raise DeviceError(f"Board {board} cannot be reached: it is switched off.")
        if board not in self._made:
            self._made[board] = piped(after=self._does.get(board, ""))
            self._made[board].name = board
        return self._made[board]

    def close(self) -> None:
        self.closed = True
