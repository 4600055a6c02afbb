"""Inputs and outputs that stay in a device's memory from query to query."""

from __future__ import annotations

from typing import Any

from seatrial.engines.base import Batch, Logits


class DeviceBinding:
    """Answers batches through ONNX Runtime's I/O binding: one copy to the device, one back, nothing allocated between.

    Buffers are kept for the last batch size alone. Not for several threads at once.
    """

    def __init__(self, ort: Any, session: Any, names: tuple[str, str], memory: str, index: int) -> None:
        """names: of input and output. memory, index: of the device, in OrtValue's words: "cuda", 0."""
        self._ort, self._session, self._names = ort, session, names
        self._place = (memory, index)
        self._size: int | None = None

    def infer(self, batch: Batch) -> Logits:
        """[N, ...] -> the output [N, ...] as an array of its own; may raise anything."""
        if len(batch) != self._size:
            return self._bind(batch)
        self._input.update_inplace(batch)
        self._session.run_with_iobinding(self._binding)
        return self._answer()

    def _bind(self, batch: Batch) -> Logits:
        """Answers the first batch of a size; its buffers then stay bound."""
        self._size = None
        source, output = self._names
        self._binding = self._session.io_binding()
        self._input = self._ort.OrtValue.ortvalue_from_shape_and_type(batch.shape, batch.dtype.type, *self._place)
        self._input.update_inplace(batch)
        self._binding.bind_ortvalue_input(source, self._input)
        # ONNX Runtime knows the extents of the output: it allocates the buffer, which is then bound for good.
        self._binding.bind_output(output, *self._place)
        self._session.run_with_iobinding(self._binding)
        logits = self._answer()
        self._binding.bind_ortvalue_output(output, self._binding.get_outputs()[0])
        self._size = len(batch)
        return logits

    def _answer(self) -> Logits:
        logits: Logits = self._binding.copy_outputs_to_cpu()[0]
        return logits
