"""TensorRT 10.x: networks are weakly typed unless a flag says otherwise."""

from __future__ import annotations

from seatrial.engines.tensorrt.bindings import Bindings
from seatrial.engines.tensorrt.full import Full


class V10(Full):
    """TensorRT 10.x."""

    def creation_flags(self, trt: Bindings) -> int:
        """Strongly typed."""
        return 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
