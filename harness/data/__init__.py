"""Where labelled images come from: class folders, .npz archives, the built-in demo."""

from __future__ import annotations

from pathlib import Path

from seatrial.errors import BadInputError, UsageError
from seatrial.files import is_special
from seatrial.harness.data.arrays import ArraySource
from seatrial.harness.data.folder import FolderSource
from seatrial.harness.data.labels import Labeller, LabelOf, class_table, offset_of, read_class_table
from seatrial.harness.data.outside import open_outside
from seatrial.harness.data.relabelled import RelabelledSource
from seatrial.harness.data.source import DataSource, Payload, Selection
from seatrial.harness.data.subset import balanced_order
from seatrial.harness.data.unlabelled import CalibrationFolder, is_unlabelled, without_labels

__all__ = [
    "DataSource",
    "Payload",
    "Selection",
    "labeller",
    "open_data",
    "open_source",
    "open_unlabelled",
    "select",
    "without_labels",
]


def labeller(classes: int, class_names: tuple[str, ...] | None = None, classes_file: Path | None = None) -> LabelOf:
    """How class folders become labels of a model with `classes` outputs.

    class_names: in the order of the outputs, from the model; classes_file: the `--classes` table, which goes first.
    Raises BadInputError or UsageError for a table that does not fit.
    """
    table = class_table(class_names) if class_names else None
    if classes_file is not None:
        table = read_class_table(classes_file, classes)
    return Labeller(classes, table)


def open_source(path: Path | str, classes: int, label_of: LabelOf) -> DataSource:
    """Opens a folder of class folders or an .npz archive as the data of a model with `classes` outputs.

    path: text is `SCHEME:WHERE` of another package's source (`harness.data.outside`).

    Raises BadInputError or UsageError that says what is wrong with the data or the names.
    """
    if isinstance(path, str):
        return _opened(path, classes, label_of)
    if path.is_dir():
        return FolderSource(path, label_of)
    if not path.exists():
        raise BadInputError(f"There is no data at {path}. Check --data and --calib.")
    kind = is_special(path.stat())
    if kind is not None:
        raise BadInputError(f"{path} is {kind}: neither a folder nor a file with images.")
    if path.suffix.lower() == ".npz":
        offset = offset_of(label_of)
        source = ArraySource(path, classes - offset)
        return RelabelledSource(source, source.labels + offset) if offset else source
    return _opened(path, classes, label_of)


def open_data(path: Path | str, classes: int, label_of: LabelOf, *, unlabelled: bool) -> DataSource:
    """Opens images to be asked about: those of `open_source`, or images without labels, which are negative then. Images
    have none where `unlabelled` says so, in a folder that holds nothing but images, and in an .npz archive without
    `labels`.

    Raises BadInputError or UsageError that says what is wrong with the images, or why nobody knows whether their
    folders are classes.
    """
    if unlabelled or (isinstance(path, Path) and is_unlabelled(path)):
        return open_unlabelled(path, classes, label_of)
    return open_source(path, classes, label_of)


def open_unlabelled(path: Path | str, classes: int, label_of: LabelOf) -> DataSource:
    """Opens images to calibrate on, whose labels are negative where they are not known: a folder, with or without class
    folders, or an .npz archive, with or without labels.

    Raises BadInputError or UsageError that says what is wrong with the images.
    """
    if isinstance(path, str):
        return _opened(path, classes, label_of)
    if path.is_dir():
        return CalibrationFolder(path, label_of)
    if path.is_file() and path.suffix.lower() == ".npz":
        offset = offset_of(label_of)
        source = ArraySource(path, classes - offset, labelled=False)
        return RelabelledSource(source, source.labels + offset) if offset and source.labels.min() >= 0 else source
    return open_source(path, classes, label_of)


def _opened(where: Path | str, classes: int, label_of: LabelOf) -> DataSource:
    found = open_outside(where, classes, label_of)
    if found is None:
        raise UsageError(f"{where} is neither a folder of class folders nor an .npz archive.")
    return found


def select(source: DataSource, *, seed: int, limit: int | None) -> Selection:
    """The first `limit` images of the source's seeded, class-balanced order; all of them for None."""
    return Selection(source, balanced_order(source.ids, source.labels, seed)[:limit])
