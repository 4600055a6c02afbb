"""No bit that falls in a run directory or in the cache changes a figure."""

import pytest
from flipped_bits import REFUSED, SAID, UNREAD, World, flip_bits, kind_of

pytest.importorskip("torch")
pytest.importorskip("openvino")


def test_no_flipped_bit_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_CACHE", "")
    world = World(tmp_path)
    assert len({kind_of(path) for path in world.files()}) == 19
    table = flip_bits(world, 200)
    assert not any(found[REFUSED] for found in table.values())
    for kind, found in table.items():
        if kind.startswith(("trials", "attacks", "latency")):
            assert found[SAID] == found.total() > 0
    assert all(table[kind][UNREAD] < found.total() for kind, found in table.items())
