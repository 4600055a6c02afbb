"""PGD on a real network beside torchattacks' PGD on the module it was exported from, one thread, in turn.

torchattacks takes the images as they are given, all at once as in its examples, or in batches of the user's choice; we
choose ours. Both spend most of the time in the same convolutions of the same library, which bounds what can be gained.
"""

from __future__ import annotations

import statistics
import time

import pytest

torch = pytest.importorskip("torch")

from parity.peer_attacks import cifar10, in_batches, original, peer  # noqa: E402

from seatrial import exporters  # noqa: E402
from seatrial.exporters.presets import PRESETS  # noqa: E402
from seatrial.harness.attacks import pgd  # noqa: E402, F401
from seatrial.harness.attacks.chunks import chunk_size  # noqa: E402
from seatrial.harness.attacks.draws import Draws  # noqa: E402
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS, Problem  # noqa: E402
from seatrial.harness.attacks.surrogate import Surrogate  # noqa: E402

pytestmark = pytest.mark.performance

IMAGES = 250
RADIUS = 2 / 255
ROUNDS = 5
PEER_BATCHES = (25, 50, 125, IMAGES)
ALL_AT_ONCE, BEST_BATCH = 1.4, 1.1  # least ratios


def test_pgd_is_faster_than_the_peers(shared):
    attack = peer("torchattacks").PGD(
        original(shared, "resnet20"), eps=RADIUS, alpha=0.075 * RADIUS, steps=20, random_start=True
    )
    model = Surrogate(exporters.load(shared / "models/cifar10_resnet20.onnx", contract=PRESETS["cifar10"]))
    images, labels = cifar10(shared, IMAGES)

    def own(clean, answers):
        draws = Draws(0, [str(index) for index in range(len(clean))], "pgd")
        return GRADIENT_ATTACKS["pgd-linf"](Problem(model, clean, answers, RADIUS, draws))

    def ours():
        return torch.cat([own(*part) for part in zip(images.split(chunk), labels.split(chunk), strict=True)])

    chunk = chunk_size(32, 32)
    contiguous = images.contiguous()
    calls = {"ours": ours}
    calls |= {size: (lambda size=size: in_batches(attack, contiguous, labels, size)) for size in PEER_BATCHES}
    seconds = {name: [] for name in calls}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(ROUNDS + 1):
            for name, call in calls.items():
                begin = time.perf_counter()
                call()
                seconds[name].append(time.perf_counter() - begin)
    finally:
        torch.set_num_threads(threads)
    seconds = {name: values[1:] for name, values in seconds.items()}  # the first round warms up
    ratios = {
        size: statistics.median(theirs / own for theirs, own in zip(seconds[size], seconds["ours"], strict=True))
        for size in PEER_BATCHES
    }
    print(f"\nPGD-20 on ResNet-20, {IMAGES} images, one thread; ours in chunks of {chunk}:")
    for name, values in seconds.items():
        tail = "" if name == "ours" else f"   {ratios[name]:.2f} times ours"
        print(f"{name!s:>6}: median {statistics.median(values):.2f} s, best {min(values):.2f} s{tail}")
    assert ratios[IMAGES] >= ALL_AT_ONCE
    assert min(ratios.values()) >= BEST_BATCH
