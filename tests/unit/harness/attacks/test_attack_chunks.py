"""Adversarial images in the cache: lossless, keyed by all that shapes them, made once."""

from __future__ import annotations

import dataclasses
import io
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.artefacts import write_artefact
from seatrial.errors import BadInputError, DamagedError
from seatrial.harness.attacks.chunks import CleanChunk, Job, chunk_size, make_sets, with_distance
from seatrial.harness.attacks.rows import (
    EVERYONE,
    AttackedBy,
    AttackRows,
    read_attack_rows,
    rows_path,
    write_attack_rows,
)
from seatrial.harness.attacks.store import Chunk, ChunkStore, chunk_key, packed
from seatrial.harness.data.source import Pixels


class Images:
    """Clean images in memory."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def read(self, start: int, stop: int) -> Pixels:
        return self.pixels[start:stop]


def some_images(count: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 5, 3), np.uint8)


def chunk_of(images: Any, clean: Pixels) -> Chunk:
    count = len(images)
    flags = np.arange(count) % 3 == 0
    return with_distance(
        images,
        clean,
        "linf",
        clean_correct=flags,
        correct=~flags,
        zero_gradient=flags,
        queries=np.arange(count, dtype=np.int32),
    )


def same_rows(first: AttackRows, second: AttackRows) -> bool:
    fields = [field.name for field in dataclasses.fields(AttackRows)]
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in fields)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.booleans())
def test_what_is_stored_comes_back_bit_for_bit(count: int, seed: int, eight_bit: bool) -> None:
    rng = np.random.default_rng(seed)
    clean = some_images(count, seed)
    images: Any = rng.integers(0, 256, clean.shape, np.uint8)
    if not eight_bit:
        images = rng.uniform(0, 255, clean.shape).astype(np.float32)
    chunk = chunk_of(images, clean)
    with tempfile.TemporaryDirectory() as name:
        store = ChunkStore(Path(name))
        assert store.read("ab", clean) is None
        store.write("ab", packed(chunk, clean))
        found = store.read("ab", clean)
    assert found is not None
    assert found.images.dtype == images.dtype
    assert np.array_equal(found.images, images)
    assert same_rows(found.rows, chunk.rows)


@pytest.mark.parametrize("broken", [b"", b"PK\x03\x04 not a zip", b"\x80\x04pickle"])
def test_a_chunk_that_cannot_be_read_is_one_that_is_not_there(tmp_path: Path, broken: bytes) -> None:
    clean = some_images(3)
    store = ChunkStore(tmp_path)
    store.write("abc", packed(chunk_of(clean, clean), clean))
    (path,) = tmp_path.rglob("*.chunk")
    whole = path.read_bytes()
    path.write_bytes(broken)
    assert store.read("abc", clean) is None
    path.write_bytes(whole[: len(whole) // 2])
    assert store.read("abc", clean) is None
    path.write_bytes(whole)
    assert store.read("abc", clean[:2]) is None, "other images than it was made from"


def test_pickled_objects_in_a_chunk_are_not_loaded(tmp_path: Path) -> None:
    clean = some_images(2)
    store = ChunkStore(tmp_path)
    store.write("abc", packed(chunk_of(clean, clean), clean))
    (path,) = tmp_path.rglob("*.chunk")
    stream = io.BytesIO()
    np.savez(stream, change=np.array([object(), object()], dtype=object))
    write_artefact(path, stream.getvalue())
    assert store.read("abc", clean) is None


def test_a_key_depends_on_everything_that_shapes_the_images() -> None:
    clean = some_images(2)
    other = clean.copy()
    other[1, 2, 3, 0] ^= 1
    keys = [
        chunk_key({"attack": "pgd", "radius": 0.1}, ["a", "b"], [1, 2], clean),
        chunk_key({"attack": "pgd", "radius": 0.2}, ["a", "b"], [1, 2], clean),
        chunk_key({"attack": "fgsm", "radius": 0.1}, ["a", "b"], [1, 2], clean),
        chunk_key({"attack": "pgd", "radius": 0.1}, ["a", "c"], [1, 2], clean),
        chunk_key({"attack": "pgd", "radius": 0.1}, ["a", "b"], [1, 3], clean),
        chunk_key({"attack": "pgd", "radius": 0.1}, ["a", "b"], [1, 2], other),
    ]
    assert len(set(keys)) == len(keys)


class Counting:
    """Adds one to every pixel, modulo 256, and remembers of which images."""

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []

    def __call__(self, part: CleanChunk) -> Chunk:
        self.asked.append(part.ids)
        return chunk_of(part.pixels + np.uint8(1), part.pixels)


def job(work: Counting, count: int, name: str = "pgd", size: int = 3) -> Job:
    return Job({"attack": name}, np.arange(count), work, size)


@pytest.mark.parametrize("count", [1, 3, 7])
@pytest.mark.parametrize("workers", [1, 3])
def test_chunks_are_made_once_and_read_like_any_images(tmp_path: Path, count: int, workers: int) -> None:
    pixels = some_images(count)
    ids = [f"image {number}" for number in range(count)]
    store, work = ChunkStore(tmp_path), Counting()
    jobs = [job(work, count), job(work, count, "fgsm")]
    told: list[tuple[int, int]] = []
    made = list(
        make_sets(
            jobs,
            ids,
            Images(pixels),
            store,
            workers=workers,
            progress=lambda done, number: told.append((done, number)),
        )
    )
    assert [len(one.rows) for one in made] == [count, count]
    assert told[-1] == (2 * count, 1)
    assert sorted(itertools.chain(*work.asked)) == sorted([*ids, *ids])
    for one in made:
        for start, stop in itertools.combinations(range(count + 1), 2):
            assert np.array_equal(one.reader.read(start, stop), pixels[start:stop] + np.uint8(1))
    again = list(make_sets(jobs, ids, Images(pixels), store, workers=workers))
    assert len(work.asked) == 2 * -(-count // 3), "nothing is made twice"
    assert [one.keys for one in again] == [one.keys for one in made]
    assert all(same_rows(first.rows, second.rows) for first, second in zip(made, again, strict=True))


def test_a_chunk_that_is_damaged_while_it_is_read_ends_the_run_and_is_made_again_by_the_next(tmp_path: Path) -> None:
    pixels, ids = some_images(6), [str(number) for number in range(6)]
    store, work = ChunkStore(tmp_path), Counting()
    (made,) = make_sets([job(work, 6)], ids, Images(pixels), store, workers=1)
    path = next(tmp_path.rglob(f"{made.keys[1]}.chunk"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert np.array_equal(made.reader.read(0, 3), pixels[:3] + np.uint8(1))
    with pytest.raises(DamagedError, match="Repeat the command"):
        made.reader.read(2, 4)
    (again,) = make_sets([job(work, 6)], ids, Images(pixels), store, workers=1)
    assert work.asked[2:] == [["3", "4", "5"]]
    assert np.array_equal(again.reader.read(0, 6), pixels + np.uint8(1))


def test_what_was_made_before_an_interruption_is_kept(tmp_path: Path) -> None:
    pixels, ids = some_images(9), [str(number) for number in range(9)]
    store, work = ChunkStore(tmp_path), Counting()

    class Dies(Counting):
        def __call__(self, part: CleanChunk) -> Chunk:
            if "6" in part.ids:
                raise KeyboardInterrupt
            return work(part)

    with pytest.raises(KeyboardInterrupt):
        list(make_sets([job(Dies(), 9)], ids, Images(pixels), store, workers=1))
    assert work.asked == [["0", "1", "2"], ["3", "4", "5"]]
    list(make_sets([job(work, 9)], ids, Images(pixels), store, workers=1))
    assert work.asked[2:] == [["6", "7", "8"]]


def test_rows_lie_beside_the_trials_and_belong_to_their_run(tmp_path: Path) -> None:
    clean = some_images(4)
    rows = chunk_of(clean + np.uint8(2), clean).rows
    ids = list("abcd")
    write_attack_rows(tmp_path, "k", AttackedBy("attack/pgd-linf@2", EVERYONE, ["chunk"]), ids, rows)
    assert same_rows(read_attack_rows(tmp_path, "k", ids), rows)
    (tmp_path / rows_path("l")).hardlink_to(tmp_path / rows_path("k"))
    for key, order in (("k", list("abdc")), ("l", ids), ("other", ids)):
        with pytest.raises(BadInputError, match=r"not hold the rows|is damaged"):
            read_attack_rows(tmp_path, key, order)


@pytest.mark.parametrize(
    ("column", "value"), [("distance", -1), ("distance", np.nan), ("distance", np.inf), ("queries", -1)]
)
def test_rows_of_values_that_no_run_writes_are_somebody_elses(tmp_path: Path, column: str, value: float) -> None:
    clean = some_images(4)
    rows = chunk_of(clean + np.uint8(2), clean).rows
    wrong = np.array([*getattr(rows, column)[:3], value], getattr(rows, column).dtype)
    by = AttackedBy("attack/pgd-linf@2", EVERYONE, ["chunk"])
    write_attack_rows(tmp_path, "k", by, list("abcd"), dataclasses.replace(rows, **{column: wrong}))
    with pytest.raises(BadInputError, match="a distance or a count that is none"):
        read_attack_rows(tmp_path, "k", list("abcd"))


def test_a_chunk_is_small_enough_for_large_images_and_full_for_small_ones() -> None:
    assert chunk_size(32, 32) == 64
    assert 8 <= chunk_size(224, 224) <= 16
    assert chunk_size(4096, 4096) == 8
