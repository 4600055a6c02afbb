"""What a run is asked to do: plain data, as flags, a YAML file or Python give it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from seatrial.engines.builder_options import BuilderOptions
from seatrial.engines.kserve.endpoint import Endpoint
from seatrial.engines.places import Limits
from seatrial.errors import UsageError
from seatrial.harness.spec.attacks import AttackOptions, named_surrogate
from seatrial.harness.spec.conditions import ConditionsAsked
from seatrial.harness.spec.files import FilesSpec
from seatrial.harness.spec.gate import GateOptions
from seatrial.harness.spec.images import ImageSource
from seatrial.harness.spec.shard import Shard
from seatrial.harness.spec.targets import Targets
from seatrial.harness.spec.timing import TimingOptions
from seatrial.harness.spec.variants import named_variant


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSpec(FilesSpec):
    """One run. builder: of engines that have one. limits: of the engines' processes. attacks: how adversarial images
    are made. timing: what is timed, and for how long; it shapes no answer. out: the run directory, None for a name made
    from the spec. reuse: another run directory, whose trials are taken over where they are the same. baseline: another
    one that this run is compared with. shard: the part of the run that is run, None for all of it; it shapes no answer.
    endpoints: served models, by the names that stand in the ids of targets.
    """

    images: ImageSource = dataclasses.field(default_factory=ImageSource)
    targets: Targets = dataclasses.field(default_factory=Targets)
    builder: BuilderOptions = dataclasses.field(default_factory=BuilderOptions)
    limits: Limits = dataclasses.field(default_factory=Limits)
    conditions: ConditionsAsked = dataclasses.field(default_factory=ConditionsAsked)
    attacks: AttackOptions = dataclasses.field(default_factory=AttackOptions)
    gate: GateOptions = dataclasses.field(default_factory=GateOptions)
    timing: TimingOptions = dataclasses.field(default_factory=TimingOptions)
    out: Path | None = None
    reuse: Path | None = None
    baseline: Path | None = None
    shard: Shard | None = None
    endpoints: Mapping[str, Endpoint] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """UsageError for one name of a variant and a surrogate, besides what the files' part raises."""
        super().__post_init__()
        for place, endpoint in self.endpoints.items():
            if endpoint.name != place:
                raise UsageError(f"Endpoint {place} is described as {endpoint.name}.")
            if place in self.boards:
                raise UsageError(
                    f"{place} is the name of a board and of an endpoint: give --place OTHER={endpoint.url}."
                )
        surrogates = [name for name, _ in map(named_surrogate, self.attacks.surrogates)]
        for name, _ in map(named_variant, self.source.variants):
            if name in surrogates:
                raise UsageError(
                    f"--variant {name} and --surrogate {name} have one name. A variant is a surrogate by itself: leave "
                    "the second out, or give it another name."
                )
