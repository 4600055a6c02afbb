"""From an ONNX file to a plan."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from seatrial.engines.base import BuildRequest
from seatrial.engines.device import device_kind
from seatrial.engines.tensorrt.bindings import Bindings
from seatrial.engines.tensorrt.dialect import Dialect
from seatrial.engines.tensorrt.listener import Listener
from seatrial.errors import BuildError


def batch_range(request: BuildRequest) -> tuple[int, int, int]:
    """Least batch, the one that kernels are chosen for, and the largest.

    Kernels are chosen for one image: single queries are what is timed, and the engine that is timed is the one that is
    scored. A graph that is frozen at a batch, and DLA, which has no dynamic shapes, take that one batch alone.
    """
    if request.fixed_batch is not None:
        return (request.fixed_batch,) * 3
    return (1, 1, 1 if device_kind(request.device) == "dla" else request.builder.max_batch)


def build_plan(
    trt: Bindings,
    dialect: Dialect,
    request: BuildRequest,
    *,
    timing: Path | None = None,
    shown: Collection[str] = (),
) -> bytes:
    """TensorRT's own file for the request.

    timing: file of the timing cache. shown: values inside the graph that become outputs, too, by their ONNX names, as
    far as they are floats and still there. Raises BuildError with all that TensorRT says of error level.
    """
    listener = Listener(trt)
    try:
        builder = trt.Builder(listener.sink)
    except TypeError as error:  # pybind11's word for a factory that returned nothing
        raise BuildError(f"TensorRT has no builder here: {listener.said()} ({error}).") from error
    network = builder.create_network(dialect.creation_flags(trt))
    parser = trt.OnnxParser(network, listener.sink)  # owns the weights: it must outlive the build
    if not parser.parse(request.onnx_bytes):
        raise BuildError(f"TensorRT cannot read the {request.precision} graph: {_parser_errors(parser)}")
    _check_inputs(network, request)
    if shown:
        _show(trt, network, shown)

    config = builder.create_builder_config()
    # TF32 multiplies float32 with 10 bits of mantissa, and is on by default: fp32 would not be float32.
    config.clear_flag(trt.BuilderFlag.TF32)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # the audit reads it
    options = request.builder
    if options.level is not None:
        config.builder_optimization_level = options.level
    if options.workspace_mib is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mib << 20)
    if options.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    dialect.configure(trt, config, network, request, timing)
    profile = builder.create_optimization_profile()
    least, chosen, largest = ((batch, *request.input_shape) for batch in batch_range(request))
    profile.set_shape(request.input_name, least, chosen, largest)
    config.add_optimization_profile(profile)

    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BuildError(f"TensorRT cannot build the {request.precision} graph: {listener.said()}.")
    dialect.keep(trt, config, timing)
    return bytes(plan)


def _parser_errors(parser: Bindings.OnnxParser) -> str:
    return "; ".join(_parser_error(parser.get_error(index)) for index in range(parser.num_errors))


def _parser_error(error: Bindings.ParserError) -> str:
    number, name, operator = error.node(), error.node_name(), error.node_operator()
    code, function, file, line = error.code(), error.func(), error.file(), error.line()
    return f"node {number} {name!r} ({operator}): {error.desc()} [{code.name}, {function}, {file}:{line}]"


def _check_inputs(network: Bindings.INetworkDefinition, request: BuildRequest) -> None:
    names = [network.get_input(index).name for index in range(network.num_inputs)]
    if names != [request.input_name]:
        raise BuildError(f"The graph has the inputs {names}; TensorRT's adapter takes {request.input_name!r} alone.")


def _show(trt: Bindings, network: Bindings.INetworkDefinition, shown: Collection[str]) -> None:
    floats = (trt.DataType.FLOAT, trt.DataType.HALF, trt.DataType.BF16)
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        for position in range(layer.num_outputs):
            tensor = layer.get_output(position)
            if tensor.name in shown and tensor.dtype in floats and not tensor.is_network_output:
                network.mark_output(tensor)
