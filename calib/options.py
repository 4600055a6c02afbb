"""What may be chosen of a quantization besides its recipe."""

from __future__ import annotations

import dataclasses
import math

from seatrial.errors import UsageError
from seatrial.text import choices

RANGES = ("minmax", "percentile", "entropy", "mse")
OURS = "seatrial"
QUANTIZERS = (OURS, "onnxruntime", "modelopt", "nncf", "nncf-accuracy")
INT4_METHODS = ("gptq", "rtn")
RESTS = ("fp32", "fp16")


@dataclasses.dataclass(frozen=True)
class QuantizeOptions:
    """quantizer: whose code quantizes. ranges: how an activation's range follows from its histogram. percentile: of
    the values, kept by the range method of that name. equalize: cross-layer equalisation before. bias_correction:
    afterwards. keep_float: names of nodes that stay float. keep_float_below_db: nodes whose quantization alone leaves
    less signal to noise at the output than this stay float, None for none. int4_method: how 4-bit weights are rounded.
    portable: a file for all processors, and not for the one at hand alone. rest: what is not quantized is written in;
    None for the recipe's own.
    """

    quantizer: str = OURS
    ranges: str = "minmax"
    percentile: float = 99.99
    equalize: bool = False
    bias_correction: bool = False
    keep_float: tuple[str, ...] = ()
    keep_float_below_db: float | None = None
    int4_method: str = "gptq"
    portable: bool = False
    rest: str | None = None

    def __post_init__(self) -> None:
        """UsageError for unknown names and impossible numbers."""
        for flag, value, known in (
            ("--quantizer", self.quantizer, QUANTIZERS),
            ("--ranges", self.ranges, RANGES),
            ("--int4-method", self.int4_method, INT4_METHODS),
            ("--rest", self.rest, (None, *RESTS)),
        ):
            if value not in known:
                raise UsageError(f"{flag} {value!r} is unknown. {choices(value, filter(None, known))}")
        if self.keep_float_below_db is not None and not math.isfinite(self.keep_float_below_db):
            raise UsageError(f"--keep-float-below-db is {self.keep_float_below_db}; it must be a number.")
        if not 50 < self.percentile <= 100:
            raise UsageError(f"--percentile is {self.percentile}; it must be above 50 and at most 100.")
