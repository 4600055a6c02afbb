"""Fixtures: real small models and images, made on the spot; the shared real ones where the machine has them."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

import numpy as np
import numpy.typing as npt
import onnx
import psutil
import pytest
from agent_host import AgentHost, left_of
from boards import SshServer, missing, server_folder
from emulated import EMULATOR, HASWELL, python_of
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from quick_timing import QUICK_TIMING, time_quickly

from seatrial.__main__ import main
from seatrial.engines import BuildRequest
from seatrial.engines.boards import Board
from seatrial.engines.cpu import processor
from seatrial.engines.registry import ENGINES

# Modules that register engines, or need what only their own tests set up: imported by those tests alone.
collect_ignore_glob = [
    "unruly_engines.py",
    "untrue_engines.py",
    "tensorrt_stubs/*",
    "gpukit/*",
    "mlserver/*",
    "contract/resize_with_torchvision.py",
    "processors/answer.py",
]

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or fills the user's cache. The processes that share the tests share one: the demo's photographs are
    rendered once.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    os.environ["SEATRIAL_CACHE"] = str(shared / "cache")


@pytest.fixture(scope="session", autouse=True)
def _quick_timing() -> Iterator[None]:
    """Runs in this process are timed quickly: what a test wants of their timing, it asks for."""
    with pytest.MonkeyPatch.context() as patch:
        time_quickly(patch.setattr)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_power_cuts() -> Iterator[None]:
    """No test takes the machine's power away, so no file waits for its disk; of the processes that are killed in tests,
    the system keeps what they wrote.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and models."""
    if not SHARED.is_dir():
        pytest.skip(f"no real data and models at {SHARED}")
    return SHARED


def _need_emulator() -> None:
    if not processor().is_x86:
        pytest.skip(f"this is {processor().machine}: x86 with its runtimes can be played on x86 alone")
    if shutil.which(EMULATOR) is None:
        _without_emulators(f"{EMULATOR} is not installed")


def _without_emulators(missing: str) -> NoReturn:
    say = pytest.fail if os.environ.get("CI") else pytest.skip
    say(f"{missing}: run make emulators")


@pytest.fixture(scope="session")
def emulated_x86() -> list[str]:
    """The beginning of a command that runs a native program on an x86 processor with AVX2 alone."""
    _need_emulator()
    return [EMULATOR, "-cpu", "Haswell-v4"]


@pytest.fixture(scope="session")
def arm_python() -> Path:
    """A 64-bit Arm Python with the packages that make pixels, emulated."""
    board = ROOT / ".venv/emulators/arm/python"
    if not board.is_file():
        _without_emulators(f"no emulated Arm board at {board}")
    return board


@pytest.fixture(scope="session")
def ssh_server() -> Iterator[SshServer]:
    """What plays boards on this machine: `ssh_server.board()`."""
    if (lacking := missing()) is not None:
        _without_emulators(lacking)
    with server_folder() as folder, SshServer(folder) as server:
        yield server


@pytest.fixture(scope="session")
def arm_board(ssh_server: SshServer) -> Board:
    """A 64-bit Arm board, emulated, with NumPy and ONNX Runtime alone."""
    python = ROOT / ".venv/emulators/arm/board/python"
    if not python.is_file():
        _without_emulators(f"no emulated Arm board at {python}")
    return ssh_server.board("arm", python=str(python))


@pytest.fixture
def board(tmp_path: Path) -> Iterator[AgentHost]:
    """A board's agent over pipes, which has the lease; nothing of it may be left."""
    with AgentHost(tmp_path) as host:
        assert host.ask("lease", wait_s=0) == {"held": True, "put_out": None}
        yield host
    assert not left_of(tmp_path)


@pytest.fixture
def batch() -> np.ndarray:
    """Inputs of the small model."""
    return np.random.default_rng(0).standard_normal((6, 3, 16, 16), dtype=np.float32)


@pytest.fixture
def begun() -> Callable[[], list[psutil.Process]]:
    """What this process has started since the test began, and what that has, as far as it still runs."""
    before = set(psutil.Process().children(recursive=True))
    return lambda: [one for one in psutil.Process().children(recursive=True) if one not in before]


@pytest.fixture(scope="session")
def haswell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python on an x86 processor without VNNI, emulated: about 10 CIFAR images/s, and no timing says anything."""
    _need_emulator()
    return python_of(HASWELL, tmp_path_factory.mktemp("haswell"))


def make_model(
    path: Path,
    *,
    classes: int = 4,
    size: int = 16,
    seed: int = 0,
    change: Callable[[onnx.ModelProto], None] | None = None,
) -> Path:
    """A small real classifier, random but seeded: two convolutions, a ReLU each, global average, one Gemm."""
    rng = np.random.default_rng(seed)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 4
        return numpy_helper.from_array((rng.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32), name)

    initializers = [
        weight("w1", 16, 3, 3, 3),
        weight("b1", 16),
        weight("w2", 32, 16, 3, 3),
        weight("b2", 32),
        weight("w3", classes, 32),
        weight("b3", classes),
        numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
    ]
    nodes = [
        helper.make_node("Conv", ["input", "w1", "b1"], ["c1"], name="conv1", kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], name="conv2", kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node("Relu", ["c2"], ["r2"], name="relu2"),
        helper.make_node("ReduceMean", ["r2", "axes"], ["pooled"], name="pool", keepdims=0),
        helper.make_node("Gemm", ["pooled", "w3", "b3"], ["logits"], name="fc", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, size, size])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if change is not None:
        change(model)
    path.write_bytes(model.SerializeToString())
    return path


def make_folders(root: Path, *, classes: int = 4, images: int = 6, size: int = 24, seed: int = 0) -> Path:
    """Class folders of JPEGs: smooth random colours, so that they compress like photographs."""
    rng = np.random.default_rng(seed)
    for label in range(classes):
        folder = root / f"class{label}"
        folder.mkdir(parents=True)
        for index in range(images):
            coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            image = Image.fromarray(coarse).resize((size + index, size), Image.Resampling.BICUBIC)
            image.save(folder / f"{index:03d}.jpg", quality=90)
    return root


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A small classifier of 4 classes, 16 x 16 px."""
    return make_model(tmp_path / "small.onnx")


@pytest.fixture
def request_small(model_file: Path) -> BuildRequest:
    """To build the small model."""
    return BuildRequest(model_file.read_bytes(), "input", "logits", (3, 16, 16), 4)


@pytest.fixture
def queries() -> list[npt.NDArray[np.float32]]:
    """Five inputs of the small model, which it answers differently."""
    rng = np.random.default_rng(3)
    return [rng.standard_normal((1, 3, 16, 16), np.float32) * scale for scale in (0.5, 1, 2, 3, 4)]


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """24 JPEGs in 4 class folders."""
    return make_folders(tmp_path / "test")


@pytest.fixture
def calib_folder(tmp_path: Path) -> Path:
    """Other 16 JPEGs in 4 class folders."""
    return make_folders(tmp_path / "calib", images=4, seed=1)


@dataclass(frozen=True)
class Done:
    """What the command left: its exit status, and what it and its child processes wrote."""

    returncode: int
    stdout: str
    stderr: str


def bench(arguments: Sequence[str | Path], **environment: str) -> Done:
    """Runs the command in this process, which spares its imports. environment: variables for this run alone."""
    with pytest.MonkeyPatch.context() as patch, _written(1, "stdout") as out, _written(2, "stderr") as errors:
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            status = main(list(map(str, arguments)))
        except SystemExit as end:
            status = int(end.code or 0)
        return Done(status, _text(out), _text(errors))


@contextlib.contextmanager
def _written(number: int, name: str) -> Iterator[IO[str]]:
    """What is written to a standard stream, by Python or past it, goes to a file for the time of the block."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file, pytest.MonkeyPatch.context() as patch:
        kept = os.dup(number)
        os.dup2(file.fileno(), number)
        patch.setattr(sys, name, file)
        try:
            yield file
        finally:
            file.flush()
            os.dup2(kept, number)
            os.close(kept)


def _text(file: IO[str]) -> str:
    file.flush()
    file.seek(0)
    return file.read()


def bench_process(arguments: Sequence[str | Path], **options: object) -> subprocess.CompletedProcess[str]:
    """Runs the command as a user does, in a process of its own; what it times, it times quickly."""
    words = list(map(str, arguments))
    timing = QUICK_TIMING if words and words[0].startswith("-") else ()
    return subprocess.run(
        [sys.executable, ROOT / "bench.py", *words, *timing],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,  # type: ignore[call-overload]
    )


@pytest.fixture
def unruly() -> Iterator[None]:
    """The engines of `unruly_engines`, known for the time of a test."""
    with _engines_of("unruly_engines"):
        yield


@pytest.fixture
def untrue() -> Iterator[None]:
    """The engines of `untrue_engines`, known for the time of a test."""
    with _engines_of("untrue_engines"):
        yield


@contextlib.contextmanager
def _engines_of(module_name: str) -> Iterator[None]:
    sys.modules.pop(module_name, None)
    module = importlib.import_module(module_name)
    yield
    for name in module.NAMES:
        del ENGINES._parts[name]
    del sys.modules[module_name]
