"""A run's latencies against those of other tools, in turns within one test, each in fresh processes on one thread: a
bare loop over the runtime's own API, MLPerf's load generator, OpenVINO's benchmark_app, onnxruntime_perf_test.

A minute or two each: pytest -m performance -s tests/performance/test_latency_agreement.py -k 'bare and resnet20'
"""

import contextlib
import functools
import importlib.util
import itertools
import json
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from seatrial import exporters
from seatrial.engines import BuildRequest
from seatrial.engines.places import build
from seatrial.engines.timing.block import Block
from seatrial.harness.metrics.percentiles import nearest_rank
from seatrial.harness.spec.timing import BOUND_MS

pytestmark = pytest.mark.performance

# Model -> the options of its contract.
MODELS = {
    "cifar10_resnet20": {"preset": "cifar10"},
    "imagenet_mobilenet_v1_075": {"preset": "imagenet-inception"},
}
QUERIES, WARM_UP_S = 32, 0.3
# Fresh processes of both: how one process lies in memory is its own. Of attempts the one that agrees best counts: what
# else runs on the machine makes none agree.
REPETITIONS, ATTEMPTS = 7, 3
# In turns, forwards and backwards: (blocks, seconds of each). A tool that begins anew each time takes longer ones.
FINE, COARSE = (16, 0.1), (2, 1.0)
MOST = 0.05


class Case:
    """One model for one runtime, as a file and as a request."""

    def __init__(self, shared, folder, name, engine):
        model = exporters.load(shared / f"models/{name}.onnx", contract=exporters.ContractOptions(**MODELS[name]))
        shape = model.contract.tensor_shape
        self.name, self.engine, self.folder = name, engine, folder
        self.request = BuildRequest(model.onnx_bytes, model.input_name, model.output_name, shape, model.classes)
        self.model = folder / "model.onnx"
        self.model.write_bytes(model.onnx_bytes)
        self.queries = np.random.default_rng(0).standard_normal((QUERIES, 1, *shape), dtype=np.float32)
        np.save(folder / "queries.npy", self.queries)
        np.save(folder / "one.npy", self.queries[0])

    @contextlib.contextmanager
    def ours(self):
        """Seconds -> percentiles in nanoseconds, as a run asks for them."""
        with build(self.engine, self.request) as engine:
            engine.prepare(list(self.queries), WARM_UP_S)
            asked = itertools.count(0, 1 << 20)

            def measure(seconds):
                taken = engine.time(Block("single-stream", first=next(asked), seconds=seconds)).taken
                return {"p50": nearest_rank(taken, 50), "p90": nearest_rank(taken, 90)}

            yield measure

    @contextlib.contextmanager
    def backend(self):
        """The same by the load generator as a run with --loadgen asks it."""
        with build(self.engine, self.request) as engine:
            engine.prepare(list(self.queries), WARM_UP_S)

            def measure(seconds):
                found = engine.loadgen(Block("single-stream", queries=1, seconds=seconds), bound_ms=BOUND_MS)
                assert found.wrong == 0
                return {p: found.milliseconds[p] * 1e6 for p in ("p50", "p90")}

            yield measure

    @contextlib.contextmanager
    def peer(self, loop):
        """The same of a loop of `peer_latency`."""
        words = [Path(__file__).with_name("peer_latency.py"), loop, self.engine, self.model]
        command = [sys.executable, *words, self.folder / "queries.npy", self.folder]
        with subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:

            def measure(seconds):
                print(seconds, file=one.stdin, flush=True)
                return json.loads(one.stdout.readline())

            yield measure
            one.stdin.close()

    def benchmark_app(self, program, seconds):
        """Percentiles as it prints them, each of a run of its own."""
        shape = ",".join(map(str, self.queries[0].shape))
        words = [program, "-m", self.model, "-i", self.folder / "one.npy", "-shape", f"[{shape}]", "-ip", "f32"]
        words += ["-d", "CPU", "-api", "sync", "-hint", "none", "-nstreams", 1, "-nthreads", 1, "-pin", "NO"]
        words += ["-infer_precision", "f32", "-t", round(seconds)]
        found = {}
        for percent, label in ((50, "Median"), (90, "90 percentile")):
            said = answer_of([*words, "-latency_percentile", percent])
            found[f"p{percent}"] = float(re.search(rf"{label}:\s+([\d.]+) ms", said)[1]) * 1e6
        return found

    def perf_test(self, program, seconds):
        """Percentiles as it prints them."""
        words = [program, "-e", "cpu", "-I", "-m", "duration", "-t", round(seconds), "-x", 1, "-y", 1, "-o", 99, "-s"]
        said = answer_of([*words, self.model, self.folder / "times.csv"])
        return {f"p{p}": float(re.search(rf"P{p} Latency(?: is|:) *([\d.e-]+)", said)[1]) * 1e9 for p in (50, 90)}


def answer_of(command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def medians(rows):
    return {p: statistics.median(one[p] for one in rows) for p in ("p50", "p90")}


def side_by_side(case, theirs, turns):
    """Ours and theirs, in nanoseconds: the medians over processes of the medians over blocks."""
    blocks, seconds = turns
    found = ([], [])
    for _ in range(REPETITIONS):
        with case.ours() as mine, theirs() as other:
            rows = ([], [])
            for block in range(blocks):
                order = ((0, mine), (1, other))
                for side, measure in order if block % 2 == 0 else order[::-1]:
                    rows[side].append(measure(seconds))
            for side in (0, 1):
                found[side].append(medians(rows[side]))
    return medians(found[0]), medians(found[1])


def compared(case, what, theirs, turns=FINE, coarse_ns=0):
    """Fails where our p50 or p90 lies further than 5 % from theirs. coarse_ns: what their figures are rounded by."""
    tried = []
    for attempt in range(ATTEMPTS):
        mine, other = side_by_side(case, theirs, turns)
        off = {p: max(0.0, abs(mine[p] - other[p]) - coarse_ns) / other[p] for p in mine}
        for p in mine:
            print(
                f"\n{case.name} {case.engine} {p}: ours {mine[p] / 1e3:.1f} us, {what} {other[p] / 1e3:.1f} us, "
                f"{mine[p] / other[p] - 1:+.1%}, attempt {attempt + 1}",
                end="",
            )
        if max(off.values()) <= MOST:
            return
        tried.append(off)
    pytest.fail(f"further than {MOST:.0%} from {what}: {tried}")


def once(measure):
    """Of a tool that begins anew each time."""
    return lambda: contextlib.nullcontext(measure)


@pytest.fixture
def case(shared, tmp_path):
    return functools.partial(Case, shared, tmp_path)


def need_loadgen():
    if importlib.util.find_spec("mlperf_loadgen") is None:
        pytest.skip("mlcommons-loadgen is not installed: pip install mlcommons-loadgen")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "pytorch"])
@pytest.mark.parametrize("name", MODELS)
def test_a_bare_loop_over_the_runtime_agrees(case, name, engine):
    one = case(name, engine)
    compared(one, "a bare loop", lambda: one.peer("bare"))


@pytest.mark.parametrize("name", MODELS)
def test_mlperfs_load_generator_agrees(case, name):
    need_loadgen()
    one = case(name, "onnxruntime")
    compared(one, "loadgen", lambda: one.peer("loadgen"))


@pytest.mark.parametrize("name", MODELS)
def test_a_runs_own_load_generator_backend_agrees(case, name):
    need_loadgen()
    one = case(name, "openvino")
    compared(one, "--loadgen", one.backend)


@pytest.mark.parametrize("name", MODELS)
def test_openvinos_benchmark_app_agrees(case, name):
    program = shutil.which("benchmark_app", path=Path(sys.executable).parent) or shutil.which("benchmark_app")
    if program is None:
        pytest.skip("no benchmark_app: pip install openvino")
    one = case(name, "openvino")
    measure = functools.partial(one.benchmark_app, program)
    compared(one, "benchmark_app", once(measure), COARSE, coarse_ns=5_000)  # it rounds to 0.01 ms


@pytest.mark.parametrize("name", MODELS)
def test_onnxruntimes_perf_test_agrees(case, name):
    program = shutil.which("onnxruntime_perf_test")
    if program is None:
        pytest.skip("no onnxruntime_perf_test on the path, it is built from ONNX Runtime's sources")
    one = case(name, "onnxruntime")
    compared(one, "onnxruntime_perf_test", once(functools.partial(one.perf_test, program)), COARSE)
