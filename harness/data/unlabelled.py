"""Images without labels: a folder of them, in class folders, directly inside or nested; and labels that are hidden."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seatrial.errors import BadInputError, SeatrialError
from seatrial.harness.data.arrays import holds_labels
from seatrial.harness.data.folder import FolderSource, images_below
from seatrial.harness.data.labels import LabelOf
from seatrial.harness.data.relabelled import RelabelledSource
from seatrial.harness.data.source import Selection


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


def is_unlabelled(path: Path) -> bool:
    """True for what can hold no labels: a folder with images right inside and no other folders, an .npz archive without
    `labels`.
    """
    if path.is_dir():
        entries = [entry for entry in os.scandir(path) if not entry.name.startswith(".")]
        return bool(entries) and not any(entry.is_dir() for entry in entries)
    return path.is_file() and path.suffix.lower() == ".npz" and not holds_labels(path)


def without_labels(selection: Selection) -> Selection:
    """The same images in the same order; every label is -1."""
    unknown = np.full(len(selection.source.ids), -1, np.int64)
    return dataclasses.replace(selection, source=RelabelledSource(selection.source, unknown))
