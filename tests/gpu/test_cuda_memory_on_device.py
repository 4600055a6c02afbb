"""The CUDA layer on a GPU, through each package that is installed: PyCUDA, cuda-python."""

import numpy as np
import pytest

from seatrial.engines.cuda.cuda_python import CudaPython
from seatrial.engines.cuda.pycuda import PyCuda
from seatrial.errors import DeviceError

pytestmark = pytest.mark.gpu


@pytest.fixture(params=[PyCuda, CudaPython], ids=lambda kind: kind.library)
def cuda(request):
    try:
        opened = request.param(0)
    except (ImportError, DeviceError, RuntimeError) as error:
        pytest.skip(f"no GPU through {request.param.library}: {error}")
    yield opened
    opened.close()


def test_the_gpu_is_described(cuda):
    info = cuda.info()
    assert info.name
    assert info.compute_capability >= (5, 0)
    assert info.memory > 1 << 28
    assert 10 <= float(info.driver) < 100


def test_what_goes_in_comes_out(cuda):
    with cuda.current():
        source, target = cuda.pinned((1000, 1000), np.float32), cuda.pinned((1000, 1000), np.float32)
        source[:] = np.random.default_rng(0).standard_normal(source.shape, dtype=np.float32)
        target[:] = 0
        memory, stream = cuda.allocate(source.nbytes), cuda.stream()
        cuda.copy_in(memory, source, stream)
        cuda.copy_out(target[:500], memory, stream)
        cuda.wait(stream)
        np.testing.assert_array_equal(target[:500], source[:500])
        assert not target[500:].any()
        cuda.destroy_stream(stream)
        cuda.free(memory)
        cuda.unpin(source)
        cuda.unpin(target)


def test_events_time_a_copy(cuda):
    """64 MiB take longer than 64 KiB; on any bus from 1 GB/s to 1 TB/s."""
    with cuda.current():
        memory, stream = cuda.allocate(1 << 26), cuda.stream()
        array = cuda.pinned((1 << 26,), np.uint8)
        begin, end = cuda.event(), cuda.event()
        times = {}
        for size in (1 << 16, 1 << 26, 1 << 16, 1 << 26):  # the first of each warms up
            cuda.record(begin, stream)
            cuda.copy_in(memory, array[:size], stream)
            cuda.record(end, stream)
            cuda.wait(stream)
            times[size] = cuda.elapsed_ms(begin, end)
        assert times[1 << 16] < times[1 << 26]
        assert (1 << 26) / 1e12 < times[1 << 26] / 1e3 < (1 << 26) / 1e9
        for event in (begin, end):
            cuda.destroy_event(event)
        cuda.destroy_stream(stream)
        cuda.unpin(array)
        cuda.free(memory)


def test_a_captured_copy_is_replayed(cuda):
    missing = cuda.graphs_missing()
    if missing:
        pytest.skip(missing)
    with cuda.current():
        source, target = cuda.pinned((64,), np.float32), cuda.pinned((64,), np.float32)
        source[:], target[:] = 1, 0
        memory, stream = cuda.allocate(source.nbytes), cuda.stream()
        cuda.begin_capture(stream)
        cuda.copy_in(memory, source, stream)
        cuda.copy_out(target, memory, stream)
        graph = cuda.end_capture(stream)
        cuda.wait(stream)
        assert not target.any(), "what is captured is not done"
        for value in (2, 3):
            source[:] = value
            cuda.launch(graph, stream)
            cuda.wait(stream)
            assert (target == value).all()
        cuda.destroy_graph(graph)
        cuda.destroy_stream(stream)
        cuda.unpin(source)
        cuda.unpin(target)
        cuda.free(memory)


def test_too_much_memory_is_an_error_that_says_so(cuda):
    with cuda.current(), pytest.raises(DeviceError, match="OUT_OF_MEMORY"):
        cuda.allocate(1 << 50)


def test_pytorch_and_the_layer_share_the_primary_context(cuda):
    """Memory of one is readable by the other: the same context."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip(f"PyTorch {torch.__version__} sees no CUDA device")
    tensor = torch.arange(16, dtype=torch.float32, device="cuda")
    torch.cuda.synchronize()
    with cuda.current():
        array, stream = cuda.pinned((16,), np.float32), cuda.stream()
        cuda.copy_out(array, tensor.data_ptr(), stream)
        cuda.wait(stream)
        np.testing.assert_array_equal(array, np.arange(16))
        cuda.destroy_stream(stream)
        cuda.unpin(array)
