"""The CUDA layer through the real packages of cuda-python, old and new, against a driver whose device is the host.

What is checked is every call on its way: its name in the package, its arguments, its result, who frees what. What a GPU
makes of it, tests/gpu/test_cuda_memory_on_device.py checks. PyCUDA comes as source alone: it is checked where it is
installed.
"""

import importlib.util
import subprocess
from pathlib import Path

import pytest
import tensorrt_stubs as stubs

ROUND_TRIP = """
import ctypes
import numpy as np
from seatrial.engines.cuda import open_cuda
from seatrial.errors import DeviceError, UnsupportedError
stub = ctypes.CDLL("libcuda.so.1")
cuda = open_cuda()
info = cuda.info()
assert (info.name, info.compute_capability, info.memory, info.driver) == ("Stub GPU", (8, 9), 1 << 34, "13.1"), info
assert stub.stub_depth() == 0
with cuda.current():
    assert stub.stub_depth() == 1
    source, target = cuda.pinned((4, 5), np.float32), cuda.pinned((4, 5), "f4")
    empty = cuda.pinned((0, 3), np.float16)
    assert (source.shape, source.dtype, empty.shape) == ((4, 5), np.float32, (0, 3))
    source[:], target[:] = np.arange(20).reshape(4, 5), 0
    unused = cuda.free_memory()
    memory, stream, events = cuda.allocate(source.nbytes), cuda.stream(), [cuda.event() for _ in range(2)]
    assert unused - cuda.free_memory() == source.nbytes
    cuda.record(events[0], stream)
    cuda.copy_in(memory, source, stream)
    cuda.copy_out(target[1:3], memory, stream)
    cuda.record(events[1], stream)
    cuda.wait(stream)
    assert (target[1:3] == source[:2]).all()
    assert (target[[0, 3]] == 0).all()
    assert 0 <= cuda.elapsed_ms(*events) < 1000
    if cuda.graphs_missing() is None:
        cuda.begin_capture(stream)
        cuda.copy_in(memory, source, stream)
        cuda.copy_out(target, memory, stream)
        graph = cuda.end_capture(stream)
        assert (target[[0, 3]] == 0).all(), "captured work is not done"
        source[:] = 7
        cuda.launch(graph, stream)
        cuda.wait(stream)
        assert (target == 7).all()
        cuda.destroy_graph(graph)
        try:
            cuda.end_capture(stream)
        except DeviceError as error:
            assert "CUDA_ERROR_INVALID_VALUE" in str(error)
        else:
            raise AssertionError("ended a capture that was not begun")
    else:
        try:
            cuda.begin_capture(stream)
        except UnsupportedError as error:
            assert "cuda-python" in str(error)
    try:
        cuda.allocate(1 << 40)
    except DeviceError as error:
        assert "CUDA_ERROR_OUT_OF_MEMORY" in str(error)
    else:
        raise AssertionError("a terabyte was allocated")
    for array in (source, target, empty):
        cuda.unpin(array)
    cuda.free(memory)
    cuda.destroy_stream(stream)
    for event in events:
        cuda.destroy_event(event)
assert (stub.stub_depth(), stub.stub_live()) == (0, 0), "something was not freed"
try:
    with cuda.current():
        raise KeyError
except KeyError:
    assert stub.stub_depth() == 0
cuda.close()
open_cuda().close()
assert (stub.stub_retained(), stub.stub_created()) == (1, 1), "one context for the life of the process"
print(cuda.library, cuda.graphs_missing() is None)
"""
OPEN = """
from seatrial.engines.cuda import open_cuda
try:
    open_cuda(INDEX)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("version", stubs.CUDA)
def test_everything_that_the_layer_does_reaches_the_driver_and_is_freed(tmp_path, version):
    assert stubs.run_python(ROUND_TRIP, stubs.cuda_environment(version, tmp_path)).split() == ["cuda-python", "True"]


def test_a_driver_of_its_time_takes_the_older_package(tmp_path):
    env = stubs.cuda_environment("cuda-12", tmp_path, "-DDRIVER=12060")
    assert stubs.run_python(ROUND_TRIP.replace('"13.1"', '"12.6"'), env).split() == ["cuda-python", "True"]


def test_a_package_newer_than_the_driver_is_told_with_the_one_that_fits(tmp_path):
    env = stubs.cuda_environment("cuda-13", tmp_path, "-DDRIVER=12060")
    told = stubs.run_python(OPEN.replace("INDEX", "0"), env)
    assert told.startswith(
        "UnsupportedError cuda-python 13.4.4 needs a driver of CUDA 12.8 or newer; this one is of CUDA 12.6."
    )
    assert "pip install 'cuda-python>=12.6,<13'" in told


NEWER = """
from seatrial.engines.cuda import cuda_python, open_cuda
from seatrial.errors import DeviceError
cuda_python.check_driver = lambda driver, package: None
cuda = open_cuda()
with cuda.current():
    stream, events = cuda.stream(), [cuda.event() for _ in range(2)]
    for event in events:
        cuda.record(event, stream)
    try:
        cuda.elapsed_ms(*events)
    except DeviceError as error:
        print(error)
"""


def test_a_function_that_the_driver_does_not_have_yet_fails_as_every_call_does(tmp_path):
    """Also where the driver's number would let it through."""
    told = stubs.run_python(NEWER, stubs.cuda_environment("cuda-13", tmp_path, "-DDRIVER=12060"))
    assert told.startswith("CUDA failed: cuEventElapsedTime cannot be called (")


@pytest.mark.parametrize("version", stubs.CUDA)
@pytest.mark.parametrize("integrated", [0, 1])
def test_memory_that_is_the_processors_too_is_told(tmp_path, version, integrated):
    code = "from seatrial.engines.cuda import open_cuda; print(open_cuda().info().integrated)"
    env = stubs.cuda_environment(version, tmp_path, f"-DINTEGRATED={integrated}")
    assert stubs.run_python(code, env).split() == [str(bool(integrated))]


@pytest.mark.parametrize("version", stubs.CUDA)
def test_a_gpu_that_is_not_there_is_told(tmp_path, version):
    told = stubs.run_python(OPEN.replace("INDEX", "3"), stubs.cuda_environment(version, tmp_path))
    assert told.startswith("UnsupportedError CUDA has no usable GPU 3 on this machine (")
    assert "cuda-python: CUDA failed: CUDA_ERROR_INVALID_DEVICE" in told


@pytest.mark.parametrize("version", stubs.CUDA)
def test_a_driver_without_a_gpu_is_told(tmp_path, version):
    env = stubs.cuda_environment(version, tmp_path, "-DWITHOUT_DEVICE")
    told = stubs.run_python(OPEN.replace("INDEX", "0"), env)
    assert "CUDA failed: CUDA_ERROR_NO_DEVICE). It needs an NVIDIA GPU and its driver" in told


@pytest.mark.parametrize("version", stubs.CUDA)
def test_a_driver_that_is_not_there_is_told(tmp_path, version):
    """The loader finds no libcuda in a folder that holds another file of that name."""
    (tmp_path / "libcuda.so.1").write_text("no library")
    told = stubs.run_python(OPEN.replace("INDEX", "0"), stubs.environment(tmp_path, stubs.bindings(version)))
    assert told.startswith("UnsupportedError CUDA has no usable GPU 0 on this machine (")
    assert "nvidia-smi" in told


def test_no_package_at_all_is_told_with_the_line_that_installs_one(tmp_path):
    if importlib.util.find_spec("pycuda") or importlib.util.find_spec("cuda"):
        pytest.skip("a package for CUDA is installed in this environment")
    told = stubs.run_python(OPEN.replace("INDEX", "0"), stubs.environment(tmp_path))
    assert "No Python package for CUDA is installed" in told
    assert "pip install 'cuda-python>=12.6'" in told


@pytest.mark.parametrize("graphs", [False, True])
def test_pycuda_does_the_same_and_takes_graphs_from_cuda_python(tmp_path, graphs):
    spec = importlib.util.find_spec("pycuda")
    if spec is None:
        pytest.skip("PyCUDA is not installed; it is built with CUDA's headers: pip install pycuda")
    package, driver = Path(spec.origin).parent, tmp_path / "libcuda.so.1"
    stubs.compile_library([stubs.HERE / "libcuda.c", _other_symbols(package, tmp_path)], driver)
    env = stubs.environment(tmp_path, package.parent, *([stubs.bindings("cuda-13")] if graphs else []))
    told = stubs.run_python(ROUND_TRIP, {**env, "LD_PRELOAD": str(driver)})
    assert told.split() == ["PyCUDA", str(graphs)]


def _other_symbols(package, folder):
    """Functions of the driver that PyCUDA links against and the stub does not have; none is called."""
    (driver,) = package.glob("_driver*.so")
    wanted = subprocess.run(["nm", "-D", "--undefined-only", driver], capture_output=True, text=True, check=True).stdout
    names = {line.split()[-1] for line in wanted.splitlines() if line.split()[-1].startswith("cu")}
    names -= set((stubs.HERE / "libcuda.c").read_text().replace("(", " ").split())
    source = folder / "other.c"
    source.write_text("".join(f"int {name}(void) {{ return 801; }}\n" for name in sorted(names)))
    return source
