"""Runs a float graph on the calibration images and keeps what its values look like, never the values."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from seatrial.calib.histogram import Histogram
from seatrial.calib.images import CalibrationImages, whole_batches
from seatrial.errors import BadInputError, BuildError
from seatrial.exporters.contract import Tensor
from seatrial.exporters.graphs import prune
from seatrial.exporters.model import DeployableModel
from seatrial.packages import need

# Float values that one batch may leave behind, over all values asked for: 32 MiB.
_BATCH_VALUES = 1 << 23
_LARGEST_BATCH = 32

Array = npt.NDArray[Any]


def tensors(
    model: DeployableModel, images: CalibrationImages, size: int, limit: int | None = None
) -> Iterator[tuple[Tensor, int]]:
    """(input tensor, how many of its images count): whole batches where the graph is frozen, the last one filled.

    limit: of images that count, the first ones; None for all.
    """
    frozen = model.fixed_batch
    left = len(images) if limit is None else min(limit, len(images))
    for batch in whole_batches(images, frozen or size, fill=frozen is not None):
        if not left:
            return
        real = min(left, len(batch))
        left -= real
        yield model.contract.normalise(batch), real


def showing(proto: onnx.ModelProto, names: Iterable[str]) -> onnx.ModelProto:
    """The graph with these values as its only outputs, and without what they do not need."""
    shown = onnx.ModelProto()
    shown.CopyFrom(proto)
    del shown.graph.output[:]
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    prune(shown.graph)
    return shown


def session_for(proto: onnx.ModelProto, threads: int = 1) -> Any:
    """An ONNX Runtime session on the CPU; UnsupportedError where it is not installed, BuildError where it refuses.

    Q/DQ nodes are computed as written: their integer kernels saturate on CPUs without VNNI. Around float8, ONNX Runtime
    1.31 drops a Relu as if the zero point were the smallest value, and stops at a Clip: no graph optimisation there.
    """
    onnxruntime: Any = need("onnxruntime", "Calibration", "pip install 'seatrial[cpu]'")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    if any(tensor.data_type == onnx.TensorProto.FLOAT8E4M3FN for tensor in proto.graph.initializer):
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # pybind's Fail, InvalidGraph, NotImplemented, ... share no base but Exception
        raise BuildError(f"ONNX Runtime cannot run the graph to calibrate it: {error}") from error


def run_on(
    model: DeployableModel,
    proto: onnx.ModelProto,
    names: list[str],
    images: CalibrationImages,
    use: Callable[[str, Array], None],
    *,
    limit: int | None = None,
) -> None:
    """Calls `use(name, value)` for each of these values and each batch, from several threads, in any order.

    value: float32, of the real images only where its first axis is the batch. limit: takes the first images only. A
    batch has as many images as keep the values small: memory does not grow with the number of images.
    """
    fed = [name for name in names if name == model.input_name]
    asked = [name for name in names if name != model.input_name]
    session = session_for(showing(proto, asked)) if asked else None

    def work(tensor: Tensor, real: int) -> None:
        values = [] if session is None else session.run(asked, {model.input_name: tensor})
        for name, value in zip([*fed, *asked], [*[tensor] * len(fed), *values], strict=True):
            trimmed = value[:real] if value.ndim and len(value) == len(tensor) else value
            use(name, trimmed)

    size = _batch_size(model, session, asked, images) if model.fixed_batch is None else model.fixed_batch
    workers = max(1, os.cpu_count() or 1)
    pending: deque[Future[None]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for tensor, real in tensors(model, images, size, limit):
            pending.append(pool.submit(work, tensor, real))
            if len(pending) > workers:
                pending.popleft().result()
        while pending:
            pending.popleft().result()


def histograms(
    model: DeployableModel, proto: onnx.ModelProto, names: Iterable[str], images: CalibrationImages
) -> dict[str, Histogram]:
    """A histogram of each of these values over all images; BadInputError that names one that is NaN or infinite.

    The same whatever the batch size and the number of threads, as far as the runtime's sums are.
    """
    found = {name: Histogram() for name in names}
    locks = {name: threading.Lock() for name in found}
    order = {name: index for index, name in enumerate(found)}
    broken: list[str] = []

    def use(name: str, value: Array) -> None:
        own = Histogram()
        try:
            own.add(value)
        except ValueError:
            broken.append(name)
            return
        with locks[name]:
            found[name].merge(own)

    run_on(model, proto, list(found), images, use)
    if broken:
        first = min(broken, key=lambda name: order[name])
        raise BadInputError(
            f"{model.name}: {first!r} is NaN or infinite on the calibration images. Calibrate a model that computes "
            "finite values, and check mean, std and scale of its input contract."
        )
    return found


def _batch_size(model: DeployableModel, session: Any, asked: list[str], images: CalibrationImages) -> int:
    if session is None:
        return _LARGEST_BATCH
    first, _ = next(iter(tensors(model, images, 1)))
    values = sum(int(np.size(value)) for value in session.run(asked, {model.input_name: first[:1]}))
    return max(1, min(_LARGEST_BATCH, _BATCH_VALUES // max(values, 1)))
