"""TensorRT 11.x: all networks are strongly typed, the flag is deprecated and without effect."""

from __future__ import annotations

from seatrial.engines.tensorrt.bindings import Bindings
from seatrial.engines.tensorrt.full import Full


class V11(Full):
    """TensorRT 11.x."""

    def creation_flags(self, trt: Bindings) -> int:
        """None is needed."""
        return 0
