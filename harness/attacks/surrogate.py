"""The differentiable copy of a model, from pixels in [0, 1] to logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from seatrial.engines.torch_graph import TorchGraph
from seatrial.errors import BadInputError
from seatrial.exporters import DeployableModel
from seatrial.pixels import LUMA

Tensor = Any
# Logits [N, classes] -> one number per image [N].
Loss = Callable[[Tensor], Tensor]


class Surrogate:
    """A model file as a function of images float32 [N, C, H, W] in [0, 1], RGB or gray, with gradients with respect to
    them.

    The input contract is part of it. Rounding in Q/DQ nodes passes gradients straight through (`TorchGraph`). A graph
    that ends in a Softmax, or a binary one in a Sigmoid, is read in front of it, where its gradients do not vanish;
    other probabilities are read as their logarithm.
    """

    def __init__(self, model: DeployableModel, device: str = "cpu") -> None:
        """device: `cpu` or `cuda:N`. Raises UnsupportedError for a graph that cannot be differentiated."""
        output, self._logarithm = _logits_of(model)
        graph = TorchGraph(model.onnx_bytes, output)
        if graph.input_names != (model.input_name,):
            raise BadInputError(f"{model.name} takes other inputs beside {model.input_name}.")
        self.name, self.classes, self.digest = model.name, model.classes, model.digest
        self.device = torch.device(device)
        self._graph = graph.placed(self.device)
        self._fixed_batch, self._binary = model.fixed_batch, model.binary
        contract = model.contract
        self.size = contract.size
        self._flip, self._nhwc = contract.color == "bgr", contract.layout == "nhwc"
        self._dtype = getattr(torch, contract.dtype) if contract.dtype != "uint8" else torch.float32
        self.channels = contract.channels
        shape = (1, self.channels, 1, 1)
        self._scale = torch.full(shape, 255 / contract.divisor, device=self.device)
        self._mean = torch.tensor(contract.mean, dtype=torch.float32, device=self.device).reshape(shape)
        self._std = torch.tensor(contract.std, dtype=torch.float32, device=self.device).reshape(shape)
        if self._flip:  # of the model's channels: here they still are RGB
            self._mean, self._std = self._mean.flip(1), self._std.flip(1)

    def __call__(self, images: Tensor) -> Tensor:
        """Logits float32 [N, classes], differentiable where `images` is."""
        x = self._channels_of(images)
        x = (x * self._scale - self._mean) / self._std
        x = x.flip(1) if self._flip else x
        x = x.permute(0, 2, 3, 1) if self._nhwc else x.contiguous(memory_format=torch.channels_last)
        scores = self._run(x.to(self._dtype)).float()
        if self._binary:
            one = scores.reshape(len(images), 1)
            scores = torch.cat([1 - one if self._logarithm else torch.zeros_like(one), one], dim=1)
        scores = scores.reshape(len(images), self.classes)
        return scores.clamp_min(torch.finfo(torch.float32).tiny).log() if self._logarithm else scores

    def _channels_of(self, images: Tensor) -> Tensor:
        """Of a run whose model has another number of channels than this one: gray is R = G = B, colour has a luma."""
        if images.shape[1] == self.channels:
            return images
        if self.channels == 3:
            return images.expand(-1, 3, -1, -1)
        weights = torch.tensor(LUMA, dtype=torch.float32, device=images.device).reshape(1, 3, 1, 1)
        return (images * weights).sum(1, keepdim=True)

    def logits(self, images: Tensor) -> Tensor:
        """Logits float32 [N, classes], without gradients."""
        with torch.no_grad():
            return self(images)

    def gradient(self, images: Tensor, loss: Loss) -> tuple[Tensor, Tensor, Tensor]:
        """(logits [N, classes], loss [N], gradient of each image's loss [N, C, H, W]), all without history.

        No gradient of weights is computed.
        """
        x = images.detach().requires_grad_()
        with torch.enable_grad():
            logits = self(x)
            values = loss(logits)
            (gradient,) = torch.autograd.grad(values.sum(), x)
        return logits.detach(), values.detach(), gradient

    def _run(self, x: Tensor) -> Tensor:
        size = self._fixed_batch
        if size is None or len(x) == size:
            return self._graph(x)
        missing = -len(x) % size
        filled = torch.cat([x, x[-1:].expand(missing, *x.shape[1:])]) if missing else x
        return torch.cat([self._graph(part) for part in filled.split(size)])[: len(x)]


def _logits_of(model: DeployableModel) -> tuple[str, bool]:
    """The value to read as logits, and whether it still needs a logarithm."""
    if model.scores != "probabilities":
        return model.output_name, False
    name = model.output_name
    makers = {output: node for node in model.proto.graph.node for output in node.output}
    while name in makers and makers[name].op_type in ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"):
        name = makers[name].input[0]
    if name in makers and makers[name].op_type == ("Sigmoid" if model.binary else "Softmax"):
        return makers[name].input[0], False
    return model.output_name, True
