"""A graph without what only the exporter needed: constants folded, dead nodes dropped, batch normalisation folded."""

from __future__ import annotations

import logging
from typing import Any

import onnx

from seatrial.errors import BuildError
from seatrial.packages import need

INSTALL = "pip install 'seatrial[export]'"


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same function in fewer nodes, by onnxslim; inputs, outputs and metadata stay.

    Whether it is the same function is for the caller to verify. Raises UnsupportedError where onnxslim is not
    installed, BuildError where it fails.
    """
    onnxslim: Any = need("onnxslim", "Simplifying (which --no-simplify leaves out)", INSTALL)
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        slim: onnx.ModelProto = onnxslim.slim(_copy(model))
    except Exception as error:  # onnxslim raises whatever its passes meet
        raise BuildError(f"onnxslim failed on this graph: {error!r}. Export with --no-simplify.") from error
    finally:
        logging.disable(before)
    del slim.metadata_props[:]
    slim.metadata_props.extend(model.metadata_props)
    return slim


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return copied
