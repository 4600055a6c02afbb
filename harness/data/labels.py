"""Which class an image folder stands for."""

from __future__ import annotations

import csv
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from seatrial.errors import BadInputError, UsageError
from seatrial.files import read_text

_MAX_CLASSES_BYTES = 16 << 20

# Models of TensorFlow's ImageNet have one output more than ImageNet has classes: the first, for none of them.
BACKGROUND_CLASSES = 1001
BACKGROUND = "background"


@dataclasses.dataclass(frozen=True)
class ClassTable:
    """Names in the order of the model's outputs, and every word that may stand for one of them in a folder's name.

    offset: the output of the class that the data call 0; 1 where the model has a background class first.
    """

    names: tuple[str, ...]
    index_of: dict[str, int]
    offset: int = 0

    def behind_background(self) -> ClassTable:
        """The table of a model with a background class before these."""
        return ClassTable((BACKGROUND, *self.names), {name: index + 1 for name, index in self.index_of.items()}, 1)


# The names of class folders -> the class index of each.
LabelOf = Callable[[Sequence[str]], dict[str, int]]


@dataclasses.dataclass(frozen=True)
class Labeller:
    """How class folders become labels of a model with `classes` outputs, by a table where there is one."""

    classes: int
    table: ClassTable | None = None

    def __call__(self, folders: Sequence[str]) -> dict[str, int]:
        """Folder name -> class index; raises as `labels_of_folders` does."""
        return labels_of_folders(folders, self.classes, self.table)


def offset_of(label_of: LabelOf) -> int:
    """What to add to the labels of data that have them as numbers: 1 behind a background class, else 0."""
    return label_of.table.offset if isinstance(label_of, Labeller) and label_of.table is not None else 0


def table_names(label_of: LabelOf) -> tuple[str, ...] | None:
    """The names of the classes, in the order of the outputs; None where no table names them."""
    return label_of.table.names if isinstance(label_of, Labeller) and label_of.table is not None else None


def read_class_table(path: Path, classes: int) -> ClassTable:
    """Reads `index,synset,name` CSV with a header, or one name a line, for a model with `classes` outputs.

    For 1001 outputs, it may name the 1000 classes behind the background class. Raises UsageError where there is no such
    file or it names another number of classes, BadInputError for another layout.
    """
    if not path.is_file():
        raise UsageError(f"There is no class file {path}. Check --classes.")
    if path.stat().st_size > _MAX_CLASSES_BYTES:
        raise BadInputError(f"{path} is above 16 MiB: not a class file.")
    try:
        # A line ends with the sign for it alone: a name may hold others at which Python would part it.
        lines = [line for line in read_text(path, "utf-8-sig").split("\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is not UTF-8 text: {error}.") from error
    if not lines:
        raise BadInputError(f"{path} is empty: expected `index,synset,name` CSV or one class name a line.")
    is_csv = [word.strip() for word in lines[0].split(",")[:2]] == ["index", "synset"]
    table = _table_from_csv(lines, path) if is_csv else class_table([line.strip() for line in lines])
    if len(table.names) + 1 == classes == BACKGROUND_CLASSES:
        return table.behind_background()
    if len(table.names) != classes:
        raise UsageError(f"--classes {path} names {len(table.names)} classes, but the model has {classes} outputs.")
    return table


def class_table(names: Sequence[str]) -> ClassTable:
    """A table of names alone; a name that two classes share stands for neither."""
    count = Counter(names)
    once = {name: index for index, name in enumerate(names) if count[name] == 1}
    return ClassTable(tuple(names), once)


def labels_of_folders(folders: Sequence[str], classes: int, table: ClassTable | None) -> dict[str, int]:
    """Folder name -> class index in 0..classes-1.

    With a table, a folder is matched by name, synset or index. Without one, folders that are all numbers are
    indices; otherwise their sorted order is the class order (torchvision's ImageFolder), for which their number must
    be that of the model's classes. Raises BadInputError or UsageError that says how to name the classes.
    """
    if table is None and not all(_is_index(name) for name in folders):
        if len(folders) != classes:
            raise BadInputError(
                f"The data has {len(folders)} class folders ({', '.join(sorted(folders)[:3])}, ...) and "
                f"the model {classes} outputs, so the sorted folders are not the classes. "
                f"Say which is which with --classes FILE.{_background_hint(classes)} If they are no classes, "
                "a run with --unlabelled asks about the images without labels."
            )
        return {name: index for index, name in enumerate(sorted(folders))}
    labels = {name: _lookup(name, table) for name in folders}
    unknown = sorted(name for name, label in labels.items() if label is None)
    if unknown:
        raise BadInputError(
            f"{len(unknown)} class folders are no name, synset or index of one class: {', '.join(unknown[:5])}. "
            "Rename them or correct --classes."
        )
    known = {name: label for name, label in labels.items() if label is not None}
    check_labels(known.values(), classes)
    if len(set(known.values())) != len(known):
        raise BadInputError("Two class folders stand for the same class; merge them.")
    return known


def check_labels(labels: Iterable[int], classes: int) -> None:
    """BadInputError where a label is no index of the model's outputs."""
    values = sorted(set(labels))
    if values and (values[0] < 0 or values[-1] >= classes):
        raise BadInputError(
            f"The labels run from {values[0]} to {values[-1]}, but the model has {classes} outputs "
            f"(0 to {classes - 1}). This is not the data of this model, or its classes are numbered otherwise."
        )


def _background_hint(classes: int) -> str:
    if classes != BACKGROUND_CLASSES:
        return ""
    return (
        f" A model with {classes} outputs usually has a {BACKGROUND} class first: a file of the {classes - 1} others "
        "is enough, and everything moves up by one."
    )


def _lookup(folder: str, table: ClassTable | None) -> int | None:
    if table is not None and folder in table.index_of:
        return table.index_of[folder]
    return int(folder) + (table.offset if table is not None else 0) if _is_index(folder) else None


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


def _rows(lines: Sequence[str], path: Path) -> Iterator[dict[str, str]]:
    try:
        yield from csv.DictReader(lines)
    except csv.Error as error:
        raise BadInputError(f"{path} is no readable CSV: {error}.") from error


def _table_from_csv(lines: Sequence[str], path: Path) -> ClassTable:
    names: dict[int, str] = {}
    synsets: dict[str, int] = {}
    for number, row in enumerate(_rows(lines, path), start=2):
        try:
            index, synset, name = int(row["index"]), row["synset"].strip(), row["name"].strip()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInputError(f"{path}, line {number}: expected index,synset,name.") from error
        if index in names or synset in synsets:
            raise BadInputError(f"{path}, line {number}: index {index} or synset {synset} stands there twice.")
        names[index], synsets[synset] = name, index
    if sorted(names) != list(range(len(names))):
        raise BadInputError(f"{path}: the indices are not 0 to {len(names) - 1}.")
    table = class_table([names[index] for index in range(len(names))])
    return ClassTable(table.names, {**table.index_of, **synsets})
