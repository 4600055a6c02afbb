"""Images a second through an engine on a board, over ssh, against the same engine here; and over a slow, distant link.

The board is this machine: each engine has the last core for itself, and what carries its images to it has the others.
Minutes: pytest -m performance -s tests/performance/test_board_throughput.py
"""

import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from conftest import ROOT

from seatrial import exporters
from seatrial.engines import BuildRequest
from seatrial.engines.boards.places import Places
from seatrial.engines.places import LOCAL, EngineProcess, Pixels, PlacedEngine

pytestmark = pytest.mark.performance

BATCH, ROUNDS, ATTEMPTS = 32, 6, 3
# Model -> options of its contract, images of a round, and the least share of the local rate.
MODELS = {
    "cifar10_resnet20": ({"preset": "cifar10"}, 3200, 0.80),
    "imagenet_mobilenet_v1_075": ({"preset": "imagenet-inception"}, 320, 0.95),
}
# Of the slow link: bytes a second, seconds each way.
RATE, DELAY_S = 10e6, 0.02
pinned = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 2, reason="takes two cores, and Linux"
)


class Asked:
    """An engine that takes so many batches at once; its process, `serving`, has the last core for itself."""

    def __init__(self, place, model, precision, lanes):
        shape = model.contract.tensor_shape
        request = BuildRequest(model.onnx_bytes, model.input_name, model.output_name, shape, model.classes, precision)
        before = serving()
        self.engine = PlacedEngine(EngineProcess("onnxruntime", lanes=lanes, place=place), request)
        for process in serving() - before:
            process.cpu_affinity([os.cpu_count() - 1])
            for thread in process.threads():
                os.sched_setaffinity(thread.id, [os.cpu_count() - 1])
        self.contract, self.far = model.contract, place is not LOCAL
        self.pool = ThreadPoolExecutor(lanes)

    def answer(self, images):
        contract = self.contract
        if self.far:
            batch = Pixels(images, contract.value_table(), contract.color, contract.layout, contract.dtype)
            return self.engine.infer(batch)
        return self.engine.infer(contract.normalise(images))

    def rate(self, batches):
        """Images a second."""
        begin = time.perf_counter()
        count = sum(map(len, self.pool.map(self.answer, batches)))
        return count / (time.perf_counter() - begin)


def serving():
    """The processes of engines on this machine."""
    found = psutil.process_iter(["cmdline"])
    return {one for one in found if "seatrial.engines.places.server" in " ".join(one.info["cmdline"] or ())}


def loaded(shared, name):
    options, _, _ = MODELS[name]
    return exporters.load(shared / f"models/{name}.onnx", contract=exporters.ContractOptions(**options))


def batches_of(model, images):
    height, width = model.contract.size
    rng = np.random.default_rng(0)
    # Noise: nothing on the way can make it smaller.
    return [rng.integers(0, 256, (BATCH, height, width, 3), dtype=np.uint8) for _ in range(images // BATCH)]


@pinned
@pytest.mark.parametrize("name", list(MODELS))
def test_batches_in_flight_hide_the_link(ssh_server, shared, name):
    _, images, least = MODELS[name]
    model = loaded(shared, name)
    batches = batches_of(model, images)
    tried = []
    with Places({"pi5": ssh_server.board("pi5")}) as places:
        here = Asked(LOCAL, model, "fp32", 2)
        there = Asked(places.of("pi5"), model, "fp32", places.board("pi5").lanes)
        with here.engine, there.engine:
            assert np.array_equal(here.answer(batches[0]), there.answer(batches[0]))
            for _ in range(ATTEMPTS):
                rates = {here: [], there: []}
                for number in range(ROUNDS):
                    for one in (here, there) if number % 2 else (there, here):
                        rates[one].append(one.rate(batches))
                ratio = statistics.median(b / a for a, b in zip(*rates.values(), strict=True))
                told = [round(statistics.median(found)) for found in rates.values()]
                print(f"\n{name}: {told[0]} images/s here, {told[1]} over ssh: {ratio:.1%}", end="")
                tried.append(ratio)
                if ratio >= least:
                    return
    pytest.fail(f"none of {ATTEMPTS} attempts reaches {least:.0%}: {tried}")


@pinned
@pytest.mark.parametrize("name", list(MODELS))
def test_what_a_slow_link_costs(ssh_server, shared, name):
    """10,000 images are reckoned from those that were asked; the link or the engine is the bottleneck, not the wait."""
    _, images, _ = MODELS[name]
    model = loaded(shared, name)
    batches = batches_of(model, images)
    proxy = f"{sys.executable} {ROOT / 'tests/shaped_link.py'} %h %p {RATE} {DELAY_S}"
    board = ssh_server.board("far")
    slow = ssh_server.board("far", ssh=(*board.ssh, "-o", f"ProxyCommand={proxy}"))
    begin = time.perf_counter()
    with Places({"far": slow}) as places:
        place = places.of("far")
        reached = time.perf_counter() - begin
        here = Asked(LOCAL, model, "fp32", 2)
        begin = time.perf_counter()
        there = Asked(place, model, "fp32", slow.lanes)
        built = time.perf_counter() - begin
        with here.engine, there.engine:
            there.rate(batches[:2])
            rates = here.rate(batches), there.rate(batches)
    of_link = RATE / batches[0][0].nbytes
    bound = min(rates[0], of_link)
    print(
        f"\n{name}: reached in {reached:.1f} s, started and built in {built:.1f} s; {rates[0]:.0f} images/s here, "
        f"{rates[1]:.0f} over 10 MB/s and 20 ms each way, which carry {of_link:.0f}: 10,000 images of one condition "
        f"take {1e4 / rates[1]:.0f} s, here {1e4 / rates[0]:.0f} s",
        end="",
    )
    assert rates[1] >= 0.7 * bound
