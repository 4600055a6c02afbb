"""From a source's images to uint8 RGB at the model's size, once, in threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from seatrial.exporters.contract import InputContract
from seatrial.harness.data.source import Payload, Selection
from seatrial.harness.pipeline.prefetch import ordered_map
from seatrial.harness.pipeline.reader import ImageReader, SourceReader
from seatrial.harness.pipeline.reference import model_pixels
from seatrial.harness.pipeline.store import ImageStore

__all__ = ["ImageReader", "ImageStore", "SourceReader", "ordered_map", "spool"]


def spool(
    selection: Selection,
    contract: InputContract,
    *,
    folder: Path,
    workers: int,
    progress: Callable[[int], None] = lambda done: None,
) -> ImageStore:
    """Decodes and resizes the selected images into a scratch store below `folder`, in their order.

    progress: called with the number of images done. Raises BadInputError naming the first image that does not decode.
    """
    store = ImageStore(folder, len(selection), contract.size)

    def take(task: tuple[int, Payload]) -> None:
        position, payload = task
        store.put(position, model_pixels(payload, contract))

    try:
        for done, _ in enumerate(ordered_map(take, selection.stream(), workers=workers, ahead=8), start=1):
            progress(done)
    except BaseException:
        store.close()
        raise
    return store
