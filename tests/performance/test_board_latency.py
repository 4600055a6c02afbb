"""Latencies that a board takes of itself over ssh, against those of the same engine here: the wire is not in them.

The board is this machine. A minute: pytest -m performance -s tests/performance/test_board_latency.py
"""

import contextlib
import itertools

import numpy as np
import pytest

from seatrial import exporters
from seatrial.engines import BuildRequest
from seatrial.engines.boards.places import Places
from seatrial.engines.places import LOCAL, build
from seatrial.engines.timing.block import Block
from seatrial.harness.metrics.latency_ratio import Round, speedup_of_rounds
from seatrial.harness.metrics.percentiles import nearest_rank
from seatrial.harness.timing.turns import in_turns

pytestmark = pytest.mark.performance

QUERIES, WARM_UP_S, BLOCK_S, BLOCKS = 32, 0.2, 0.1, 16
# Fresh processes of both: how one lies in memory is its own. Of attempts one that agrees counts: what else runs on the
# machine makes none agree.
ROUNDS, ATTEMPTS = 8, 3
MOST = 0.05
# What a small batch takes on its way there and back is far more than that of the engine's own clock.
SAMPLES = {"single-stream": 1, "multi-stream": 8}


@pytest.fixture(scope="module")
def request_resnet20(shared):
    model = exporters.load(
        shared / "models/cifar10_resnet20.onnx", contract=exporters.ContractOptions(preset="cifar10")
    )
    shape = model.contract.tensor_shape
    return BuildRequest(model.onnx_bytes, model.input_name, model.output_name, shape, model.classes)


@pytest.fixture(scope="module")
def places(ssh_server):
    board = ssh_server.board("loopback")
    with Places({board.name: board}) as found:
        yield {"here": LOCAL, "there": found.of(board.name)}


def rounds_of(places, request, scenario):
    """Fresh processes at both places for each round, asked in turns A B | B A; nanoseconds by place."""
    queries = np.random.default_rng(0).standard_normal((QUERIES, 1, *request.input_shape), dtype=np.float32)
    first = itertools.count(0, 1 << 20)
    for _ in range(ROUNDS):
        with contextlib.ExitStack() as stack:
            engines = {
                name: stack.enter_context(build("onnxruntime", request, place=place)) for name, place in places.items()
            }
            for engine in engines.values():
                engine.prepare(list(queries), WARM_UP_S)
            taken = {name: [] for name in engines}
            for _, name in in_turns(list(engines), BLOCKS):
                block = Block(scenario, first=next(first), samples=SAMPLES[scenario], seconds=BLOCK_S)
                timed = engines[name].time(block)
                assert timed.wrong == 0
                taken[name].append(timed.taken)
            yield {name: np.concatenate(found) for name, found in taken.items()}


@pytest.mark.parametrize("scenario", list(SAMPLES))
def test_a_board_reached_over_ssh_is_as_fast_as_without_ssh(places, request_resnet20, scenario):
    tried = []
    for _ in range(ATTEMPTS):
        found = list(rounds_of(places, request_resnet20, scenario))
        ratio = speedup_of_rounds([Round(one["here"], [one["there"]]) for one in found], seed=0, looks=False)
        medians = {name: nearest_rank(np.concatenate([one[name] for one in found]), 50) / 1e6 for name in places}
        low, high = ratio.ci95
        print(
            f"\n{scenario}: p50 here {medians['here']:.3f} ms, over ssh {medians['there']:.3f} ms; ratio "
            f"{ratio.ratio:.3f} [{low:.3f}, {high:.3f}]",
            end="",
        )
        tried.append((low <= 1 <= high and abs(ratio.ratio - 1) <= MOST, ratio))
        if tried[-1][0]:
            return
    pytest.fail(f"none of {ATTEMPTS} attempts agrees: {tried}")
