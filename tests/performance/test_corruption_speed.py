"""All nineteen corruptions against PyPI's imagecorruptions, one thread, in turn in one process."""

import io
import time

import cv2
import numpy as np
import pytest
from PIL import Image

from seatrial.harness.conditions.corruptions import corrupt, names
from seatrial.harness.demo.render import render_jpeg

pytestmark = pytest.mark.performance

SEVERITY = 3
ROUNDS = 15


def photograph():
    image = Image.open(io.BytesIO(render_jpeg("test", 0, 1)))
    return np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC))


def fastest(calls, rounds):
    """The best of `rounds` times of each call, taken in turn: the machine's other work slows, and never speeds."""
    best = [float("inf")] * len(calls)
    for _ in range(rounds):
        for index, call in enumerate(calls):
            begin = time.perf_counter()
            call()
            best[index] = min(best[index], time.perf_counter() - begin)
    return best


def test_ten_times_faster_in_all_and_never_slower():
    for module in ("skimage", "threadpoolctl"):
        pytest.importorskip(module, reason="the peer is not installed: make performance installs it")
    from peer_imagecorruptions import load_peer
    from threadpoolctl import threadpool_limits

    peer = load_peer()
    image = photograph()
    rng = np.random.Generator(np.random.SFC64(0))
    totals = np.zeros(2)
    rows = []
    with threadpool_limits(1):
        cv2.setNumThreads(1)
        floor = fastest([lambda: image.copy()], 200)[0]
        for name in names():
            ours, theirs = fastest(
                [
                    lambda name=name: corrupt(image, name, SEVERITY, rng=rng),
                    lambda name=name: peer.corrupt(image, severity=SEVERITY, corruption_name=name),
                ],
                ROUNDS if name != "glass_blur" else 5,
            )
            totals += ours, theirs
            rows.append((name, ours, theirs))
    print(f"\n{'corruption':20}{'ours ms':>9}{'peer ms':>9}{'ratio':>8}{'x floor':>9}")
    for name, ours, theirs in [*rows, ("all", *totals)]:
        print(f"{name:20}{ours * 1e3:9.3f}{theirs * 1e3:9.2f}{theirs / ours:8.1f}{ours / floor:9.0f}")
    print(f"floor, one copy of the image: {floor * 1e3:.4f} ms")
    assert [name for name, ours, theirs in rows if ours > theirs] == []
    assert totals[1] / totals[0] >= 10
