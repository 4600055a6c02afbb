"""CUDA graphs through cuda-python; PyCUDA has none of its own, but its streams are the same driver's."""

from __future__ import annotations

from typing import Any

from seatrial.engines.cuda.driver_api import ask


class Graphs:
    """Captures what is queued in a stream, and launches it again as a whole."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def begin(self, stream: int) -> None:
        """Begins a capture that sees the calls of this thread only: other engines may go on meanwhile."""
        driver = self._driver
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        ask(driver, "cuStreamBeginCapture", stream, mode)

    def end(self, stream: int) -> int:
        """Ends the capture and makes a graph of it that can be launched."""
        driver = self._driver
        graph = ask(driver, "cuStreamEndCapture", stream)
        try:
            return int(ask(driver, "cuGraphInstantiate", graph, 0))
        finally:
            ask(driver, "cuGraphDestroy", graph)

    def launch(self, graph: int, stream: int) -> None:
        """Queues the graph."""
        ask(self._driver, "cuGraphLaunch", graph, stream)

    def destroy(self, graph: int) -> None:
        """Frees the graph."""
        ask(self._driver, "cuGraphExecDestroy", graph)
