"""A quantized model and the float model that it was made from."""

from __future__ import annotations

import os

from seatrial import exporters
from seatrial.engines.precision import is_quantized
from seatrial.errors import BadInputError
from seatrial.exporters import DeployableModel, InputContract, OnnxSource
from seatrial.exporters.contract import read_contract
from seatrial.exporters.float_view import float_view
from seatrial.exporters.onnx_file import read_proto
from seatrial.harness.demo import demo_model_path
from seatrial.harness.plan.load import load_model
from seatrial.harness.spec.model import DEMO, ModelSource


def load_models(source: ModelSource, *, floats: bool = False) -> tuple[DeployableModel, DeployableModel | None]:
    """The model, and its float origin where one is named; an input contract that only one of the files carries is that
    of both. floats: both may be float, as where only the two are compared. Raises what `exporters.load` raises, and
    BadInputError where the two do not belong together.
    """
    if source.float_model is None:
        return load_model(source), None
    named = (os.fspath(demo_model_path()) if source.model == DEMO else source.model, source.float_model)
    carried = [carried_contract(name) for name in named]
    given = source.contract
    model, origin = (
        exporters.load(
            name,
            contract=given if own is not None or other is None else given.resolve(other),
            weights=source.weights if name is named[0] else None,
            output=source.output,
        )
        for name, own, other in zip(named, carried, reversed(carried), strict=True)
    )
    if is_quantized(origin.precision):
        raise BadInputError(
            f"--float-model {origin.name} is quantized itself, to {origin.precision}. Give the float model."
        )
    if model.precision == "fp32" and not floats:
        raise BadInputError(
            f"--model {model.name} is a float model itself: with --float-model {origin.name} fp32 would run that one, "
            f"and nothing this one. To compare the two give --model {source.float_model} --variant NAME={source.model}."
        )
    origin = float_view(origin)
    check_same_kind(model, origin)
    return model, origin


def check_same_kind(model: DeployableModel, origin: DeployableModel) -> None:
    """BadInputError where the two are fed otherwise, or answer otherwise."""
    for what, first, second in (
        ("input contract", origin.contract.to_dict(), float_view(model).contract.to_dict()),
        ("number of classes", origin.classes, model.classes),
        ("class names", origin.class_names or model.class_names, model.class_names or origin.class_names),
    ):
        if first != second:
            raise BadInputError(
                f"--float-model {origin.name} and --model {model.name} differ in their {what}: {first} and {second}. "
                "Give the model that the file was quantized from, and the contract by flags where it has none."
            )


def carried_contract(name: str) -> InputContract | None:
    """What a source says itself of its input; None where it says nothing. Raises what reading it raises."""
    source = exporters.open_source(name)
    return read_contract(read_proto(source.path)) if isinstance(source, OnnxSource) else source.contract
