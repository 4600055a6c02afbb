"""How a run's images are cut into the batches that are attacked together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.attacks.eightbit import distances
from seatrial.harness.attacks.rows import AttackRows
from seatrial.harness.attacks.store import Chunk, ChunkReader, ChunkStore, Images, chunk_key, packed
from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline import ImageReader, ordered_map

# Ids, labels and clean images of a chunk -> what becomes of them.
MakeChunk = Callable[["CleanChunk"], Chunk]


@dataclasses.dataclass(frozen=True)
class CleanChunk:
    """A chunk's clean images. pixels: uint8 [n, H, W, 3]; labels: int64 [n]."""

    ids: Sequence[str]
    labels: npt.NDArray[np.int64]
    pixels: Pixels


@dataclasses.dataclass(frozen=True)
class Job:
    """Images to be made. description: all that shapes them, as JSON values. labels: int64 [N]. size: of a chunk."""

    description: Mapping[str, Any]
    labels: npt.NDArray[np.int64]
    make: MakeChunk
    size: int


@dataclasses.dataclass(frozen=True)
class AdversarialSet:
    """reader: the adversarial images. rows: what is known of them. keys: of their chunks in the cache."""

    reader: ImageReader
    rows: AttackRows
    keys: tuple[str, ...]


def chunk_size(height: int, width: int) -> int:
    """Images that are attacked together: few enough that what a network holds of them stays near the processor."""
    return max(8, min(64, (1 << 18) // (height * width)))


@dataclasses.dataclass(frozen=True)
class Part:
    """A chunk that is to be. key: of it in the cache."""

    key: str
    clean: CleanChunk


def part_of(job: Job, ids: Sequence[str], clean: ImageReader, start: int) -> Part:
    """The chunk of a job that begins with an image. ids: of all images."""
    part = slice(start, min(start + job.size, len(ids)))
    pixels, labels = clean.read(part.start, part.stop), job.labels[part]
    key = chunk_key(dict(job.description), ids[part], labels.tolist(), pixels)
    return Part(key, CleanChunk(ids[part], labels, pixels))


def made(job: Job, part: Part, store: ChunkStore) -> Chunk:
    """From the store, or else made, and stored."""
    chunk = store.read(part.key, part.clean.pixels)
    if chunk is None:
        chunk = job.make(part.clean)
        store.write(part.key, packed(chunk, part.clean.pixels))
    return chunk


def make_sets(
    jobs: Sequence[Job],
    ids: Sequence[str],
    clean: ImageReader,
    store: ChunkStore,
    *,
    workers: int,
    progress: Callable[[int, int], None] = lambda done, job: None,
    abandon: Callable[[], None] = lambda: None,
) -> Generator[AdversarialSet, None, None]:
    """Yields what became of each job, in order; chunks that the store has are not made again.

    progress: called with images done, of all jobs, and the job at work.
    """

    def one(task: tuple[int, int]) -> tuple[int, int, str, AttackRows]:
        number, start = task
        part = part_of(jobs[number], ids, clean, start)
        return number, start + len(part.clean.ids), part.key, made(jobs[number], part, store).rows

    tasks = ((number, start) for number, job in enumerate(jobs) for start in range(0, len(ids), job.size))
    keys: list[str] = []
    rows: list[AttackRows] = []
    for number, stop, key, found in ordered_map(one, tasks, workers=workers, abandon=abandon):
        keys.append(key)
        rows.append(found)
        progress(number * len(ids) + stop, number)
        if stop == len(ids):
            reader = ChunkReader(store, tuple(keys), jobs[number].size, clean)
            yield AdversarialSet(reader, _joined(rows), tuple(keys))
            keys, rows = [], []


def with_distance(images: Images, clean: Pixels, norm: str, **rows: Any) -> Chunk:
    """A chunk whose rows tell how far the images lie from the clean ones, in the units of condition ids."""
    return Chunk(images, AttackRows(distance=distances(images, clean, norm).astype(np.float32), **rows))


def _joined(parts: Sequence[AttackRows]) -> AttackRows:
    names = [field.name for field in dataclasses.fields(AttackRows)]
    return AttackRows(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
