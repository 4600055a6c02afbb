"""The quantizers of DoReFa, PACT and LSQ, with straight-through gradients.

A quantizer turns a float tensor into `integers * step` with integers in [low, high]; `low`, `high` and `step` are all
that a Q/DQ file needs. Sources: DoReFa-Net arXiv 1606.06160, PACT arXiv 1805.06085, LSQ arXiv 1902.08153.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

SMALLEST_STEP = 1e-4  # LSQ's steps are learned and would turn negative without a floor


def signed_range(bits: int) -> tuple[int, int]:
    """Integers of a weight: -2 to 1 at 2 bits. At 8 bits -127 to 127, as TensorRT has it."""
    high = 2 ** (bits - 1) - 1
    return (-127 if bits == 8 else -high - 1), high


def unsigned_range(bits: int) -> tuple[int, int]:
    """Integers of what a ReLU gives: 0 to 3 at 2 bits. At 8 bits 0 to 127: accelerators run int8 around zero."""
    return 0, 127 if bits == 8 else 2**bits - 1


class _Round(torch.autograd.Function):
    """`clamp(round(x / step), low, high) * step`; gradients pass inside the range, LSQ's equation 3 to the step."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, low: int, high: int, share: float) -> Tensor:
        ratio = x / step.to(x.dtype)
        integers = ratio.round().clamp_(low, high)
        ctx.save_for_backward(ratio, integers)
        ctx.range, ctx.share, ctx.kind = (low, high), share, step.dtype
        return integers * step.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None, None, None]:
        ratio, integers = ctx.saved_tensors
        gradient, (low, high) = gradients[0], ctx.range
        inside = ratio <= high
        if low < 0:  # else a ReLU came before: nothing lies below
            inside &= ratio >= low
        to_x = gradient * inside
        to_step = None
        if ctx.needs_input_grad[1]:  # inside: (integer - ratio), outside: the bound
            to_step = ((gradient * integers).sum() - (to_x * ratio).sum()).to(ctx.kind) * ctx.share
        return to_x, to_step, None, None, None


class Quantizer(nn.Module):
    """A range of integers and a step; `prepared` is what the method does to the tensor before it rounds."""

    def __init__(self, bounds: tuple[int, int]) -> None:
        super().__init__()
        self.low, self.high = bounds

    def step(self) -> Tensor:
        """Distance of two levels, a positive scalar in the unit of the prepared tensor."""
        raise NotImplementedError

    def prepared(self, x: Tensor) -> Tensor:
        """The tensor that is rounded, of the shape of `x`."""
        return x

    def start(self, x: Tensor) -> None:
        """Set what is learned from a float tensor of the network that training starts from."""

    def settle(self) -> None:
        """Keep what is learned in its domain, after each step of the optimiser."""

    def forward(self, x: Tensor) -> Tensor:
        """Quantized values, of the shape of `x`."""
        return _Round.apply(self.prepared(x), self.step(), self.low, self.high, 1.0)

    def integers(self, x: Tensor) -> Tensor:
        """The integers behind `forward`, as floats of the shape of `x`."""
        return (self.prepared(x) / self.step()).round().clamp(self.low, self.high)


class Lsq(Quantizer):
    """LSQ: the step is learned, its gradient weighs 1 / sqrt(elements * high)."""

    def __init__(self, bounds: tuple[int, int]) -> None:
        super().__init__(bounds)
        self.learned = nn.Parameter(torch.ones(()))

    def step(self) -> Tensor:
        return self.learned

    def start(self, x: Tensor) -> None:
        """The step of least squares, among 100 from a hundredth of the largest value's to that.

        LSQ's own start (twice the mean over sqrt(high)) is for training from scratch in batches; from float weights
        2 bits stayed at chance level unless the steps came from unquantized activations by least squares.
        """
        sample = x.flatten()[:: max(1, x.numel() // 100_000)]
        largest = float(sample.abs().max()) / self.high
        steps = [largest * part / 100 for part in range(1, 101)]
        errors = [
            ((sample / step).round().clamp(self.low, self.high) * step - sample).square().mean() for step in steps
        ]
        with torch.no_grad():
            self.learned.fill_(max(SMALLEST_STEP, steps[int(torch.stack(errors).argmin())]))

    def settle(self) -> None:
        with torch.no_grad():
            self.learned.clamp_(min=SMALLEST_STEP)

    def forward(self, x: Tensor) -> Tensor:
        elements = x.numel() if self.low < 0 else x.numel() // x.shape[0]
        return _Round.apply(x, self.learned, self.low, self.high, (elements * self.high) ** -0.5)


class DorefaWeights(Quantizer):
    """DoReFa's weights: tanh, scaled to [-1, 1], levels 2 / (2^bits - 1) apart as in the paper.

    The paper's levels are odd multiples of half a step and have no zero (-1, -1/3, 1/3, 1 at 2 bits), at 8 bits
    they do not fit into int8. Here they are moved by half a step so that zero is a level, as toolkits run it.
    """

    def __init__(self, bits: int) -> None:
        super().__init__(signed_range(bits))
        self.register_buffer("fixed", torch.tensor(2 / (2**bits - 1)))

    def step(self) -> Tensor:
        return self.fixed

    def prepared(self, x: Tensor) -> Tensor:
        bent = torch.tanh(x)
        return bent / bent.abs().max().detach()


def largest_usual(x: Tensor) -> float:
    """The 99.9th percentile of activations that are 0 and above, where clipping starts."""
    return max(SMALLEST_STEP * 127, float(torch.quantile(x.flatten()[:: max(1, x.numel() // 100_000)], 0.999)))


class DorefaActivations(Quantizer):
    """DoReFa's activations: clipped at a bound that is not learned.

    The paper clips to [0, 1], which suits a network that is trained so from scratch. One that was trained in float has
    activations up to 6: here they are divided by a constant before, and multiplied by it after.
    """

    def __init__(self, bits: int) -> None:
        super().__init__(unsigned_range(bits))
        self.register_buffer("bound", torch.ones(()))

    def step(self) -> Tensor:
        return self.bound / self.high

    def start(self, x: Tensor) -> None:
        """The bound is the 99.9th percentile of the float activations."""
        self.bound.fill_(largest_usual(x))


class PactActivations(Quantizer):
    """PACT's activations: clipped at a learned alpha, whose gradient comes from what it clips."""

    def __init__(self, bits: int) -> None:
        super().__init__(unsigned_range(bits))
        self.alpha = nn.Parameter(torch.ones(()))

    def step(self) -> Tensor:
        return self.alpha / self.high

    def start(self, x: Tensor) -> None:
        """The 99.9th percentile of the float activations; the paper starts at 10 and trains for 200 epochs."""
        with torch.no_grad():
            self.alpha.fill_(largest_usual(x))

    def settle(self) -> None:
        with torch.no_grad():
            self.alpha.clamp_(min=SMALLEST_STEP * self.high)

    def forward(self, x: Tensor) -> Tensor:
        clipped = torch.minimum(x, self.alpha)  # the inputs are what a ReLU gives: 0 and above
        return _Round.apply(clipped, self.step().detach(), self.low, self.high, 1.0)


def weight_quantizer(method: str, bits: int) -> Quantizer:
    """The method's quantizer of weights; PACT takes DoReFa's, as its paper does."""
    return Lsq(signed_range(bits)) if method == "lsq" else DorefaWeights(bits)


def activation_quantizer(method: str, bits: int) -> Quantizer:
    """The method's quantizer of what a ReLU gives."""
    if method == "lsq":
        return Lsq(unsigned_range(bits))
    return PactActivations(bits) if method == "pact" else DorefaActivations(bits)
