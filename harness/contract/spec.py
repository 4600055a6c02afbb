"""What the search is asked, and the model it asks it of."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import exporters
from exporters import ContractOptions, DeployableModel, InputContract
from exporters.axes import complete_input
from exporters.contract import Size, read_contract
from exporters.onnx_file import read_proto
from exporters.signature import read_signature
from harness.demo import demo_model_path
from harness.spec import DEMO, default_workers
from shipcheck.errors import UsageError

DEFAULT_LIMIT = 1000
# Fewer say nothing: the first look of a race.
MIN_IMAGES = 32


@dataclasses.dataclass(frozen=True)
class ContractSpec:
    """One search.

    model, weights, output, data, classes: as in a RunSpec. contract: what is declared, besides what the model carries;
    `size` alone declares nothing. limit: the first N images of the seeded order. workers: changes no result.
    """

    model: str = DEMO
    data: str | None = None
    weights: Path | None = None
    output: str | None = None
    classes: Path | None = None
    contract: ContractOptions = dataclasses.field(default_factory=ContractOptions)
    limit: int = DEFAULT_LIMIT
    seed: int = 0
    workers: int = dataclasses.field(default_factory=default_workers)

    def __post_init__(self) -> None:
        """UsageError for numbers out of range."""
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"--seed is {self.seed}; it must be from 0 to 2**63 - 1.")
        for flag, value, least in (("--limit", self.limit, MIN_IMAGES), ("--workers", self.workers, 1)):
            if value < least:
                raise UsageError(f"{flag} is {value}; it must be at least {least}.")


def load_model(spec: ContractSpec) -> tuple[DeployableModel, InputContract | None]:
    """The model, and the contract that it carries or the flags declare; None where nothing is declared.

    The model's own contract is then a provisional one: size, layout and dtype hold. Raises UsageError where neither the
    file nor --size says the size, and what `exporters.load` raises.
    """
    name = os.fspath(demo_model_path()) if spec.model == DEMO else spec.model
    source = exporters.open_source(name, spec.weights)
    options, frozen = spec.contract, None
    if isinstance(source, exporters.OnnxSource):
        proto = read_proto(source.path)
        carried = read_contract(proto)
        complete_input(proto)
        signature = read_signature(proto, source.path)
        frozen = _known(signature.size(options.layout or signature.layout or "nchw"))
    else:
        carried = source.contract
    bare = dataclasses.replace(options, size=None, layout=None) == ContractOptions()
    if carried is not None or not bare:
        if carried is None and options.preset is None and options.size is None and frozen is not None:
            options = _sized(options, frozen)
        model = exporters.deploy(source, contract=options, output=spec.output)
        return model, model.contract
    size = options.size or frozen
    if size is None:
        raise UsageError(f"{spec.model} takes images of any size. Say which: --size N or HxW.")
    provisional = dataclasses.replace(options, size=size, resize="none")
    return exporters.deploy(source, contract=provisional, output=spec.output), None


def _sized(options: ContractOptions, size: Size) -> ContractOptions:
    """The flags, with the size that the file is frozen at where they name none."""
    if options.crop is not None or isinstance(options.resize, tuple):
        return options
    return dataclasses.replace(options, size=size)


def _known(size: tuple[int | None, int | None]) -> Size | None:
    height, width = size
    return None if height is None or width is None else (height, width)
