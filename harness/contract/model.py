"""The model that the search asks, and what it is said to want."""

from __future__ import annotations

import dataclasses
import os

from seatrial import exporters
from seatrial.errors import UsageError
from seatrial.exporters import ContractOptions, DeployableModel, InputContract
from seatrial.exporters.axes import complete_input
from seatrial.exporters.contract import Size, read_contract
from seatrial.exporters.onnx_file import read_proto
from seatrial.exporters.signature import read_signature
from seatrial.harness.demo import demo_model_path
from seatrial.harness.spec.contract import ContractSpec
from seatrial.harness.spec.model import DEMO


def load_model(spec: ContractSpec) -> tuple[DeployableModel, InputContract | None]:
    """The model, and the contract that it carries or the flags declare; None where nothing is declared.

    The model's own contract is then a provisional one: size, layout and dtype hold. Raises UsageError where neither the
    file nor --size says the size, and what `exporters.load` raises.
    """
    name = os.fspath(demo_model_path()) if spec.source.model == DEMO else spec.source.model
    source = exporters.open_source(name, spec.source.weights)
    options, frozen = spec.source.contract, None
    if isinstance(source, exporters.OnnxSource):
        proto = read_proto(source.path)
        carried = read_contract(proto)
        complete_input(proto, options.size or (carried.size if carried is not None else None))
        signature = read_signature(proto, source.path)
        frozen = _known(signature.size(options.layout or signature.layout or "nchw"))
    else:
        carried = source.contract
    bare = dataclasses.replace(options, size=None, layout=None) == ContractOptions()
    if carried is not None or not bare:
        if carried is None and options.preset is None and options.size is None and frozen is not None:
            options = _sized(options, frozen)
        model = exporters.deploy(source, contract=options, output=spec.source.output)
        return model, model.contract
    size = options.size or frozen
    if size is None:
        raise UsageError(f"{spec.source.model} takes images of any size. Say which: --size N or HxW.")
    provisional = dataclasses.replace(options, size=size, resize="none")
    return exporters.deploy(source, contract=provisional, output=spec.source.output), None


def _sized(options: ContractOptions, size: Size) -> ContractOptions:
    """The flags, with the size that the file is frozen at where they name none."""
    if options.crop is not None or isinstance(options.resize, tuple):
        return options
    return dataclasses.replace(options, size=size)


def _known(size: tuple[int | None, int | None]) -> Size | None:
    height, width = size
    return None if height is None or width is None else (height, width)
