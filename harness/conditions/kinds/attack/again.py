"""Adversarial images that were made before, found again by what a run directory says of them."""

from __future__ import annotations

from seatrial.cache import cache_root
from seatrial.harness.attacks.chunks import chunk_size
from seatrial.harness.attacks.ids import AttackId
from seatrial.harness.attacks.rows import chunk_keys
from seatrial.harness.attacks.store import ChunkReader, ChunkStore
from seatrial.harness.conditions.kinds.attack.making import asked_together
from seatrial.harness.conditions.kinds.protocol import Finished
from seatrial.harness.pipeline import ImageReader
from seatrial.harness.pipeline.gray import OneChannel, ThreeChannels


def adversarial_images(attack: AttackId, key: str, finished: Finished, clean: ImageReader) -> ImageReader | None:
    """By position; None where the rows do not tell of them, or were cut into chunks of another size.

    key: of the images. Reading raises DamagedError where the cache does not have them any more.
    """
    world = finished.world
    size = asked_together(world) if attack.kind.blackbox else chunk_size(*world.model.contract.size)
    keys = chunk_keys(finished.directory.root, key)
    if len(keys) != -(-len(clean) // size):
        return None
    store = ChunkStore(cache_root() / "adversarial")
    if world.model.contract.color == "gray":
        return ThreeChannels(ChunkReader(store, keys, size, OneChannel(clean)))
    return ChunkReader(store, keys, size, clean)
