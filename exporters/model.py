"""The deployable model: an ONNX graph with its input contract and class names, whatever it came from."""

from __future__ import annotations

import dataclasses
import functools
import hashlib

import onnx

from seatrial.exporters.contract import InputContract


@dataclasses.dataclass(frozen=True)
class DeployableModel:
    """What every later step takes.

    name: for people. proto: the ONNX model, one self-contained graph. contract: how to feed it. input_name: the one
    image input, of the contract's dtype and layout. output_name: the scores, floats [batch, classes] or [batch,
    classes, 1, 1]; where `binary`, [batch, 1] or [batch]. classes: number of classes. class_names: in the order of the
    scores, None if unknown. fixed_batch: the batch size that the model is run at, None if it is free. scores:
    "logits", or "probabilities" where the graph ends in a Softmax or a binary one in a Sigmoid. precision: the file's
    own, in the words of `--precision`. binary: one number per image, that of class 1 of two. notes: what a user should
    know of how the file is read, a sentence each. batch_note: a sentence on a batch that the file declares free and
    holds.
    """

    name: str
    proto: onnx.ModelProto
    contract: InputContract
    input_name: str
    output_name: str
    classes: int
    class_names: tuple[str, ...] | None = None
    fixed_batch: int | None = None
    scores: str = "logits"
    precision: str = "fp32"
    binary: bool = False
    notes: tuple[str, ...] = ()
    batch_note: str | None = None

    @functools.cached_property
    def onnx_bytes(self) -> bytes:
        """The serialised graph, as an engine is given it; the same bytes for the same graph."""
        return self.proto.SerializeToString(deterministic=True)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of `onnx_bytes`, as hex."""
        return hashlib.sha256(self.onnx_bytes).hexdigest()
