"""What the full TensorRT has in 10.x and 11.x alike, and TensorRT-RTX has not."""

from __future__ import annotations

from pathlib import Path

from seatrial.engines.base import BuildRequest
from seatrial.engines.device import device_index, device_kind
from seatrial.engines.tensorrt import timing_cache
from seatrial.engines.tensorrt.bindings import Bindings
from seatrial.engines.tensorrt.dialect import Dialect


class Full(Dialect):
    """Times kernels on the GPU at hand, builds for DLA, and for all GPUs from Ampere on."""

    def configure(
        self,
        trt: Bindings,
        config: Bindings.IBuilderConfig,
        network: Bindings.INetworkDefinition,
        request: BuildRequest,
        timing: Path | None,
    ) -> None:
        """Sets timing cache, hardware compatibility and DLA."""
        if timing is not None:
            timing_cache.attach(config, timing)
        if request.builder.hardware_compatible:
            config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
        if device_kind(request.device) == "dla":
            config.default_device_type = trt.DeviceType.DLA
            config.DLA_core = device_index(request.device)
            _leave_to_gpu(trt, config, network)

    def keep(self, trt: Bindings, config: Bindings.IBuilderConfig, timing: Path | None) -> None:
        """Writes the timing cache."""
        if timing is not None:
            timing_cache.save(config, timing)

    def create_context(self, trt: Bindings, engine: Bindings.ICudaEngine) -> Bindings.IExecutionContext | None:
        """A context with memory of its own."""
        return engine.create_execution_context()

    def capturable(self, context: Bindings.IExecutionContext, stream: int) -> bool:
        """TensorRT tells only by trying."""
        return True


def _leave_to_gpu(trt: Bindings, config: Bindings.IBuilderConfig, network: Bindings.INetworkDefinition) -> None:
    """Puts on the GPU what DLA has no form of and multiplies nothing, as the Casts at the float32 borders.

    The fallback flag is not set: a convolution or product that DLA does not take fails the build.
    """
    products = (trt.LayerType.CONVOLUTION, trt.LayerType.DECONVOLUTION, trt.LayerType.MATRIX_MULTIPLY)
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.type not in products and not config.can_run_on_DLA(layer):
            config.set_device_type(layer, trt.DeviceType.GPU)
