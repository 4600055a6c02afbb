"""A folder of images to calibrate on: in class folders, directly inside or nested, for no label is needed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seatrial.errors import BadInputError, SeatrialError
from seatrial.harness.data.folder import FolderSource, images_below
from seatrial.harness.data.labels import LabelOf


class CalibrationFolder(FolderSource):
    """All images below a folder, with ids as in FolderSource.

    Where the folders right inside are the model's classes, the labels are theirs. Else labels are negative, one for
    each of these folders: they say nothing, but an order that takes one of each in turn still mixes the folders.
    """

    def __init__(self, root: Path, label_of: LabelOf) -> None:
        """Raises BadInputError for a folder without images, and for what is no image."""
        self._by_content = True
        self._written = {}
        self.root = root
        self.name = root.name
        self.ids = sorted(images_below(root, root))
        if not self.ids:
            raise BadInputError(f"{root} holds no images.")
        groups = _groups(root, label_of)
        beside = -1 - len(groups)
        labels = [groups[name.partition("/")[0]] if "/" in name else beside for name in self.ids]
        self.labels: npt.NDArray[np.int64] = np.array(labels, np.int64)


def _groups(root: Path, label_of: LabelOf) -> dict[str, int]:
    entries = [entry for entry in os.scandir(root) if not entry.name.startswith(".")]
    folders = sorted(entry.name for entry in entries if entry.is_dir())
    if folders and len(folders) == len(entries):
        try:
            return label_of(folders)
        except SeatrialError:  # they are no classes, then, which is no fault here
            pass
    return {name: -1 - index for index, name in enumerate(folders)}
