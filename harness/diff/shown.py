"""What a comparison shows: which values, and which of them have parted."""

from __future__ import annotations

from seatrial.engines.precision import is_quantized
from seatrial.harness.metrics.divergence import PARTED_DB
from seatrial.harness.spec.diff import DiffSpec

# dB of signal to noise below which a value has parted, by the coarser precision of the two sides. float32 kernels that
# sum in another order stay above 60 (see `harness.metrics.divergence`). One rounding to float16 (11 significant bits)
# leaves 6.02 * 11 + 7 = 73 dB, to bfloat16 (8 bits) 55 dB; a hundred in a row, each as large and independent, take
# another 20. 20 dB for quantized values: the noise is a tenth of the signal. It holds for the same quantized file, too:
# values between two steps fall to either side, and in deep networks those few grow to 25 dB.
_FLOAT_DB = {"fp32": PARTED_DB, "fp16": 50.0, "bf16": 30.0}
QUANTIZED_DB = 20.0


def parted_db(spec: DiffSpec) -> float:
    """The threshold that holds, in dB."""
    if spec.threshold_db is not None:
        return spec.threshold_db
    names = {spec.target.precision, spec.reference.precision}
    if any(map(is_quantized, names)):
        return QUANTIZED_DB
    return min(_FLOAT_DB[name] for name in names)


def shown_values(spec: DiffSpec) -> str:
    """Which values of the target are looked at: one of `VALUES`."""
    if spec.values is not None:
        return spec.values
    return "rounded" if spec.same_file and is_quantized(spec.target.precision) else "all"
