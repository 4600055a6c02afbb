"""An engine's process needs NumPy and its runtime alone: what takes the onnx package is done on the host."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from bare import bare

from seatrial import engines
from seatrial.engines import ENGINES, BuildRequest
from seatrial.engines.builder_options import BuilderOptions
from seatrial.engines.machine import Watch
from seatrial.engines.places import EngineProcess, Pixels, PlacedEngine
from seatrial.engines.timing.block import Block
from seatrial.errors import UnsupportedError
from seatrial.exporters.contract import InputContract

OURS = ("null", "onnxruntime", "openvino", "pytorch", "tensorrt", "tensorrt-rtx")
RUNTIMES = {"null": (), "onnxruntime": ("onnxruntime",), "openvino": ("openvino",)}


@pytest.fixture
def request_small(model_file):
    return BuildRequest(model_file.read_bytes(), "input", "logits", (3, 16, 16), 4)


@pytest.mark.parametrize("name", RUNTIMES)
def test_numpy_and_the_runtime_are_enough(tmp_path, name, request_small, batch):
    place = bare(tmp_path, *RUNTIMES[name])
    with EngineProcess(name, place=place) as process, engines.build(name, request_small) as here:
        assert process.check("fp32", "cpu") == ENGINES[name].version()
        there = PlacedEngine(process, request_small)
        np.testing.assert_array_equal(there.infer(batch), here.infer(batch))
        contract = InputContract((16, 16))
        images = np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3), np.uint8)
        sent = Pixels(images, contract.value_table(), contract.color, contract.layout, contract.dtype)
        np.testing.assert_array_equal(there.infer(sent), here.infer(contract.normalise(images)))
        assert there.audit() == here.audit()
        assert there.describe() == here.describe()
        if name != "null":
            for names in (None, ["r1"], ["r1"], ["c2", "r1"]):
                ours, theirs = here.intermediates(batch[:1], names), there.intermediates(batch[:1], names)
                assert list(ours) == list(theirs)
                for value in ours:
                    np.testing.assert_array_equal(ours[value], theirs[value])
            assert list(there.intermediates(batch[:1], ["r1"])) == ["r1"]
        there.prepare([batch[:1], batch[1:2]], 0.01)
        assert (there.time(Block("single-stream", queries=20)).taken > 0).all()
        assert set(there.machine()) == set(Watch().reading())
        assert there.phases(0) == {}
        assert there.memory_bytes() > 1 << 20
        assert there.device_memory_bytes() is None
        assert there.probe() > 0
        made = process.compile(request_small)
        assert made.realized == (None if name == "openvino" else here.audit().realized())


def test_what_is_missing_there_is_missing(tmp_path):
    """Of the place that these tests run at."""
    command = bare(tmp_path, "onnxruntime")._command
    code = "\n".join([*command[-1].splitlines()[:1], "import numpy, onnxruntime", "import {}"])
    for module, status in (("json", 0), ("onnx", 1), ("ml_dtypes", 1), ("psutil", 1), ("google.protobuf", 1)):
        done = subprocess.run([*command[:-1], code.format(module)], capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert status == 0 or f"No module named {module.partition('.')[0]!r}" in done.stderr


def test_tensorrt_rtx_builds_with_numpy_and_itself(tmp_path, request_small):
    place = bare(tmp_path, "tensorrt_rtx")
    request = dataclasses.replace(request_small, device="cuda", builder=BuilderOptions(compute_capability="8.9"))
    with EngineProcess("tensorrt-rtx", place=place) as process:
        process.check_compile("fp32", "cuda", "8.9")
        made = process.compile(request)
    assert len(made.content) == made.engine_bytes
    assert made.realized is None


def test_pytorch_says_what_it_needs(tmp_path):
    with (
        EngineProcess("pytorch", place=bare(tmp_path)) as process,
        pytest.raises(UnsupportedError, match=r"Engine 'pytorch' is not installed"),
    ):
        process.check("fp32", "cpu")


def test_every_adapter_is_imported_without_more_than_numpy(tmp_path):
    command = bare(tmp_path)._command
    code = "\n".join(
        [
            *command[-1].splitlines()[:1],
            "import importlib",
            *(f"importlib.import_module({engine.__module__!r})" for engine in map(ENGINES.__getitem__, OURS)),
            "import seatrial.engines.places, seatrial.engines.machine, seatrial.engines.survey",
            "print(sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))",
        ]
    )
    done = subprocess.run([sys.executable, *command[1:-1], code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['__main__', 'numpy', 'seatrial']"
