"""TensorRT-RTX: builds ahead of time for any of its compute capabilities, compiles the last step on the GPU."""

from __future__ import annotations

from pathlib import Path

from seatrial.engines.base import BuildRequest
from seatrial.engines.tensorrt.bindings import Bindings
from seatrial.engines.tensorrt.capabilities import parse_capability
from seatrial.engines.tensorrt.dialect import Dialect
from seatrial.errors import UnsupportedError


class Rtx(Dialect):
    """TensorRT-RTX. It has no DLA, and a timing cache would only force a GPU into the build, without effect on the
    plan (https://docs.nvidia.com/deeplearning/tensorrt-rtx/latest/inference-library/timing-cache-migration.html).
    """

    def creation_flags(self, trt: Bindings) -> int:
        """All networks are strongly typed."""
        return 0

    def configure(
        self,
        trt: Bindings,
        config: Bindings.IBuilderConfig,
        network: Bindings.INetworkDefinition,
        request: BuildRequest,
        timing: Path | None,
    ) -> None:
        """Sets the compute capability, and that memory can be had beforehand, which CUDA graphs need."""
        if request.builder.hardware_compatible:
            raise UnsupportedError(
                "TensorRT-RTX has no hardware-compatible plans: it builds for one compute capability (8.9, say), and "
                "its plan runs on all GPUs of that one."
            )
        config.num_compute_capabilities = 1
        config.set_compute_capability(target(trt, request.builder.compute_capability), 0)
        if request.builder.cuda_graph:
            config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)

    def keep(self, trt: Bindings, config: Bindings.IBuilderConfig, timing: Path | None) -> None:
        """It measures nothing."""

    def create_context(self, trt: Bindings, engine: Bindings.ICudaEngine) -> Bindings.IExecutionContext | None:
        """A context that compiles a shape's kernels when it first meets it, and does not go on with others meanwhile:
        what is timed is what stays.
        """
        settings = engine.create_runtime_config()
        settings.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
        settings.cuda_graph_strategy = trt.CudaGraphStrategy.DISABLED
        return engine.create_execution_context(settings)

    def capturable(self, context: Bindings.IExecutionContext, stream: int) -> bool:
        """The runtime knows."""
        answer: bool = context.is_stream_capturable(stream)
        return answer


def target(trt: Bindings, text: str | None) -> Bindings.ComputeCapability:
    """TensorRT-RTX's value for "8.9", the GPU's own for None; UnsupportedError where it does not build for that."""
    if text is None:
        return trt.ComputeCapability.CURRENT
    major, minor = parse_capability(text)
    known = {name: value for name, value in trt.ComputeCapability.__members__.items() if name.startswith("SM")}
    if f"SM{major}{minor}" not in known:
        offered = ", ".join(f"{name[2:-1]}.{name[-1]}" for name in known)
        raise UnsupportedError(f"TensorRT-RTX {trt.__version__} does not build for {text}. It builds for: {offered}.")
    return known[f"SM{major}{minor}"]
