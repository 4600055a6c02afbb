"""Where the images of a run's conditions come from."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType

from seatrial.cache import cache_root
from seatrial.exporters import InputContract
from seatrial.harness.conditions import Condition
from seatrial.harness.data import Selection
from seatrial.harness.data.overlap import check_disjoint, copies_words
from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline import ImageReader, ImageStore, SourceReader, spool
from seatrial.harness.pipeline.kept import KeptReader
from seatrial.harness.pipeline.originals import Originals
from seatrial.harness.pipeline.readings import read_all
from seatrial.harness.plan.calibration import CalibrationSet
from seatrial.harness.plan.passes import reading_of
from seatrial.harness.plan.plan import Plan
from seatrial.harness.progress import Progress


class RunImages:
    """Images at the model's size, before a condition's `transform`, by position; safe from several threads."""

    def __init__(
        self, contract: InputContract, readers: Callable[[str], ImageReader], originals: Callable[[], Originals]
    ) -> None:
        """readers: condition id -> what reads its images as the contract says. originals: opens the stored images;
        called when first needed.
        """
        self._contract, self._readers, self._open = contract, readers, originals
        self._originals: Originals | None = None
        self._lock = threading.Lock()
        self._made: dict[str, ImageReader] = {}

    def reader(self, condition_id: str) -> ImageReader:
        """The images of one condition, read as the contract says."""
        return self._made.get(condition_id) or self._readers(condition_id)

    def replace(self, condition_id: str, reader: ImageReader) -> None:
        """From now on a condition's images are these, which exist only once they are made."""
        self._made[condition_id] = reader

    def read(self, conditions: Sequence[Condition], start: int, stop: int) -> Mapping[str, Pixels]:
        """Condition id -> uint8 RGB [stop - start, height, width, 3], or float32 of the same range for images
        that no 8 bits hold; one decoding serves all that share it.
        """
        anew = {one.id: reading_of(one, self._contract) for one in conditions if one.from_source}
        found = {one.id: self.reader(one.id).read(start, stop) for one in conditions if not one.from_source}
        if anew:
            with self._lock:
                self._originals = self._originals or self._open()
            pixels = read_all(self._originals, start, stop, list(dict.fromkeys(anew.values())))
            found.update({name: pixels[taken] for name, taken in anew.items()})
        return found

    def close(self) -> None:
        """Gives scratch space back."""
        if self._originals is not None:
            self._originals.close()

    def __enter__(self) -> RunImages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextlib.contextmanager
def run_images(
    plan: Plan, progress: Progress, *, in_part: bool = False
) -> Iterator[tuple[RunImages, CalibrationSet | None]]:
    """The images of the run, and the calibration images where a target needs them.

    No calibration image is a test image; that cannot be told of test images that are corrupted already. in_part: only
    some of them will be asked for, and whoever sees them all has looked at that: files are decoded as they are needed.
    """
    contract: InputContract = plan.model.contract
    with contextlib.ExitStack() as stack:
        calibration = None
        if plan.calib is not None:
            store = stack.enter_context(_spool(plan, plan.calib, "Decoding calibration images", progress))
            calibration = CalibrationSet(store, plan.calib.ids, plan.calib_condition, plan.spec.calib_seed, progress)
        readers: Callable[[str], ImageReader]
        if plan.released is not None:
            # Released images are as large as they should be: cropped by whoever released them.
            as_they_are = dataclasses.replace(contract, resize="none", resize_to=None)
            readers = {name: SourceReader(one, as_they_are) for name, one in plan.released.items()}.__getitem__
        elif in_part:
            part: ImageReader = stack.enter_context(_part(plan, progress))
            readers = lambda condition_id: part  # noqa: E731
        else:
            images = stack.enter_context(_spool(plan, plan.data, "Decoding test images", progress))
            copies = copies_words(plan.data.ids, images.pixel_digests, plan.data.labels.tolist())
            if copies is not None:
                progress.tell(copies)
            if plan.calib is not None and calibration is not None:
                check_disjoint(plan.data.ids, images.pixel_digests, plan.calib.ids, calibration.store.pixel_digests)
            readers = lambda condition_id: images  # noqa: E731

        def originals() -> Originals:
            return Originals(plan.data, cache_root() / "scratch", workers=plan.spec.work.workers)

        yield stack.enter_context(RunImages(contract, readers, originals)), calibration


def _part(plan: Plan, progress: Progress) -> contextlib.AbstractContextManager[ImageReader]:
    if plan.data.source.encoded:
        return KeptReader(plan.data, plan.model.contract, cache_root() / "scratch")
    return _spool(plan, plan.data, "Reading test images", progress)  # an archive is read from its front to its end


def _spool(plan: Plan, selection: Selection, stage: str, progress: Progress) -> ImageStore:
    with progress.stage(stage, len(selection)) as update:
        return spool(
            selection,
            plan.model.contract,
            folder=cache_root() / "scratch",
            workers=plan.spec.work.workers,
            progress=update,
        )
