"""What TensorRT says while it works: it raises nothing, its reasons go to a logger."""

from __future__ import annotations

from typing import Any

from seatrial.engines.tensorrt.bindings import Bindings


class Listener:
    """Keeps TensorRT's messages of error level, whole; `sink` is the logger to hand to TensorRT.

    Keep the Listener as long as anything that was made with its sink.
    """

    def __init__(self, trt: Bindings) -> None:
        self.errors: list[str] = []
        severe = (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR)

        def start(sink: Any) -> None:
            trt.ILogger.__init__(sink)

        def log(sink: Any, severity: object, message: str) -> None:
            if severity in severe:
                self.errors.append(message.strip())

        self.sink: Any = type("Sink", (trt.ILogger,), {"__init__": start, "log": log})()

    def said(self) -> str:
        """All of it in one text, or that there was nothing."""
        return "; ".join(self.errors) or "it gave no reason"
