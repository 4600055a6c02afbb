"""The model that a spec names, and the images that it is asked about."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from seatrial import exporters
from seatrial.cache import cache_root
from seatrial.errors import UsageError
from seatrial.exporters import DeployableModel
from seatrial.harness.data.demo import demo_folders
from seatrial.harness.data.outside import names_source
from seatrial.harness.demo import demo_model_path
from seatrial.harness.progress import Progress
from seatrial.harness.spec.images import ImageSource
from seatrial.harness.spec.model import DEMO, ModelSource


def load_model(source: ModelSource) -> DeployableModel:
    """The model; raises what `exporters.load` raises."""
    path = demo_model_path() if source.model == DEMO else source.model
    return exporters.load(path, contract=source.contract, weights=source.weights, output=source.output)


@contextlib.contextmanager
def opening(source: ModelSource, progress: Progress) -> Iterator[None]:
    """The time in which the models of a spec are read; a factory is called, and exported."""
    with progress.stage("Opening the model", 1, "models") as update:
        update(0, source.model)
        yield
        update(1)


def images_path(images: ImageSource, model: ModelSource, progress: Progress) -> Path | str:
    """Where the images lie (`where_of`); those of the demo are made where they are not there. UsageError where none are
    named.
    """
    source = images.data or (DEMO if model.model == DEMO else None)
    if source is None:
        raise UsageError("Which images? Give --data: a folder of class folders, or an .npz archive.")
    return demo_folders(cache_root(), progress)[0] if source == DEMO else where_of(source)


def data_name(where: Path | str) -> str:
    """The images', for people."""
    return where if isinstance(where, str) else where.resolve().name


def where_of(data: str) -> Path | str:
    """A path, unless `data` is `SCHEME:WHERE` of another package's source."""
    return data if names_source(data) else Path(data)
