"""Reads an ONNX file that may come from anywhere, and says what is wrong with one that seatrial cannot test.

The order is that of trust: what the bytes, the counts and the dimensions say is checked by arithmetic before anything
is expanded, read from elsewhere or allocated.
"""

from __future__ import annotations

import mmap
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from seatrial.errors import BadInputError, UsageError
from seatrial.exporters.axes import complete_input
from seatrial.exporters.batch import with_batch
from seatrial.exporters.contract import InputContract, read_class_names, read_contract
from seatrial.exporters.external_data import embed_external_data
from seatrial.exporters.frozen_batch import held_batch, held_words
from seatrial.exporters.graphs import opset_of
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.operators import check_functions, check_operators
from seatrial.exporters.options import ContractOptions
from seatrial.exporters.outputs import choose_output, read_scores
from seatrial.exporters.own_precision import mixed_words, own_precision
from seatrial.exporters.presets import PRESETS
from seatrial.exporters.shapes import shapes_of
from seatrial.exporters.signature import fit_contract, read_signature
from seatrial.exporters.tensors import check_finite, check_tensors
from seatrial.exporters.wire import growth_error
from seatrial.files import no_file, open_regular, read_bytes

# protobuf's own limit on one message; a larger "model" cannot be a single-file ONNX model.
_MAX_BYTES = 2**31 - 1
_MAX_METADATA_BYTES = 2**24
MIN_OPSET = 7
GRAY = "The model has one input channel: colour images are fed as their luma (ITU-R BT.601, Pillow's convert('L'))."
NO_CONTRACT = (
    "{} carries no input contract, so nobody knows how to feed it. Name one: --preset "
    f"({', '.join(PRESETS)}), or --size --resize --crop --mean --std --color. "
    "`bench.py contract` finds it on labelled images."
)


def load_onnx(
    path: Path, contract: InputContract | ContractOptions | None = None, output: str | None = None
) -> DeployableModel:
    """Loads, checks and describes an ONNX classifier.

    contract: overrides the one in the file's metadata, whole or by single fields; layout and dtype are the file's, and
    a uint8 input takes geometry and colour order only. output: which of several outputs holds the scores.

    Raises BadInputError for a file that is not ONNX, is invalid, asks for absurd amounts of memory, holds NaN or
    infinite weights or is not an image classifier with one image input; UnsupportedError for custom operators and for
    quantization that has no word here; UsageError where the contract is missing or does not fit, or there is no such
    output.
    """
    return describe(read_proto(path), path.stem, path, contract, output)


def describe(
    proto: onnx.ModelProto,
    name: str,
    path: Path,
    contract: InputContract | ContractOptions | None,
    output: str | None,
) -> DeployableModel:
    """A valid graph as a deployable model; `path` stands for it in errors. Raises what `load_onnx` raises."""
    choose_output(proto, output, path)
    check_finite(proto, path)
    options = contract if isinstance(contract, ContractOptions) else None
    if not isinstance(contract, InputContract):
        contract = (contract or ContractOptions()).resolve(read_contract(proto))
    notes = complete_input(proto, contract.size if contract is not None else None)
    signature = read_signature(proto, path)
    if contract is None:
        raise UsageError(NO_CONTRACT.format(path))
    contract = fit_contract(signature, contract, options, path)
    one_image = {signature.input_name: (signature.batch or 1, *contract.tensor_shape)}
    scores = read_scores(proto, shapes_of(proto, one_image, path), signature.batch, path)
    batch = signature.batch or held_batch(proto, signature.input_name, contract.tensor_shape, path)
    note = None
    if batch != signature.batch and batch is not None:
        note = held_words(proto, batch)
        proto = with_batch(proto, batch)
    names = read_class_names(proto)
    if names is not None and len(names) != scores.classes:
        raise BadInputError(
            f"{path} names {len(names)} classes in its metadata but its scores are of {scores.classes}."
        )
    precision = own_precision(proto, path)
    mixed = mixed_words(proto, precision)
    return DeployableModel(
        name=name,
        proto=proto,
        contract=contract,
        input_name=signature.input_name,
        output_name=scores.name,
        classes=scores.classes,
        class_names=names,
        fixed_batch=batch,
        scores=scores.kind,
        binary=scores.binary,
        notes=(*notes, *((GRAY,) if contract.color == "gray" else ()), *scores.notes, *((mixed,) if mixed else ())),
        precision=precision,
        batch_note=note,
    )


def read_proto(path: Path) -> onnx.ModelProto:
    """Parses and validates one ONNX file, with its weights from other files and its functions put in place.

    Raises BadInputError or UnsupportedError, as `load_onnx` does.
    """
    if missing := no_file(path, "model file"):
        raise BadInputError(missing)
    size = path.stat().st_size
    if not 0 < size <= _MAX_BYTES:
        raise BadInputError(
            f"{path} is empty or above 2 GiB, more than one ONNX graph can hold. Are its weights in files beside it? "
            "Then give the .onnx file."
        )
    with open_regular(path) as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        fault = growth_error(mapped)  # touches the heads of fields only
    if fault is not None:
        raise BadInputError(f"{path} is not an ONNX file, or none that can be read in bounded memory: {fault}.")
    try:
        proto = onnx.load_model_from_string(read_bytes(path))
    except (DecodeError, ValueError) as error:
        raise BadInputError(f"{path} is not an ONNX file: it does not parse ({error}).") from error
    if not proto.graph.node:
        raise BadInputError(f"{path} is not an ONNX file, or its graph is empty.")
    proto.ClearField("training_info")  # no engine looks at it
    _check_head(proto, path)
    check_operators(proto, path)
    check_functions(proto, path)
    embed_external_data(proto, path)
    check_tensors(proto, path)
    _check_valid(proto, path)
    if proto.functions:
        proto = _inlined(proto, path)
    return proto


def _check_head(proto: onnx.ModelProto, path: Path) -> None:
    metadata = sum(len(entry.key) + len(entry.value) for entry in proto.metadata_props)
    if metadata > _MAX_METADATA_BYTES:
        raise BadInputError(
            f"{path} has {metadata >> 20} MiB of metadata; at most {_MAX_METADATA_BYTES >> 20} are read."
        )
    opset = opset_of(proto)
    if opset < MIN_OPSET:
        raise BadInputError(
            f"{path} is written in opset {opset}; {MIN_OPSET} (2018) and above are tested. Convert it: "
            "onnx.version_converter.convert_version(model, 17)."
        )


def _check_valid(proto: onnx.ModelProto, path: Path) -> None:
    try:
        onnx.checker.check_model(proto)
    except Exception as error:  # the checker raises ValidationError, ValueError or RuntimeError, by version and fault
        raise BadInputError(f"{path} is not a valid ONNX model: {error}") from error


def _inlined(proto: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    import onnx.inliner

    try:
        whole = onnx.inliner.inline_local_functions(proto)
    except Exception as error:  # whatever the C++ side meets
        raise BadInputError(f"{path}: its model-local functions cannot be expanded: {error}") from error
    check_operators(whole, path)
    _check_valid(whole, path)
    return whole
