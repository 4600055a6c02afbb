"""What a run says of its attacks beyond their ids."""

from __future__ import annotations

import dataclasses
import re

from seatrial.bounds import at_least
from seatrial.engines.device import device_kind
from seatrial.errors import UsageError


@dataclasses.dataclass(frozen=True)
class AttackOptions:
    """surrogates: further networks to make images on, as `exporters.load` takes them; NAME=MODEL gives one a name.
    restarts: random starts of iterated attacks. queries: that black-box attacks may ask about each image. device: where
    gradients are computed, `cpu` or `cuda:N`; it changes no more than float rounding.
    """

    surrogates: tuple[str, ...] = ()
    restarts: int = 1
    queries: int = 1000
    device: str = "cpu"

    def __post_init__(self) -> None:
        """UsageError for what none can be."""
        at_least(1, restarts=self.restarts, queries=self.queries)
        if device_kind(self.device) not in ("cpu", "cuda"):
            raise UsageError(f"--attack-device is {self.device!r}; gradients are computed on cpu or cuda:N.")
        names = [name for name, _ in map(named_surrogate, self.surrogates)]
        for name in names:
            if name == "fp32" or name.startswith("qdq") or names.count(name) > 1:
                raise UsageError(f"--surrogate {name!r}: that name is taken. Give another: --surrogate NAME=MODEL.")


def named_surrogate(text: str) -> tuple[str, str]:
    """`NAME=MODEL`, or a model alone -> a name fit for condition ids, and the model.

    >>> named_surrogate("models/ResNet 56.onnx"), named_surrogate("big=timm:resnet50")
    (('ResNet-56', 'models/ResNet 56.onnx'), ('big', 'timm:resnet50'))
    """
    found = re.fullmatch(r"([A-Za-z0-9._-]+)=(.+)", text)
    if found is not None:
        return found[1], found[2]
    last = re.split(r"[/\\:]", text)[-1]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", last.removesuffix(".onnx").removesuffix(".pt2")).strip("-")
    if not name:
        raise UsageError(f"--surrogate {text!r} needs a name: --surrogate NAME=MODEL.")
    return name, text
