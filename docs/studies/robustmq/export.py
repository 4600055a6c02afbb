"""Trained networks as Q/DQ files: `python export.py --shared ../shared --trained nets --out networks`.

int8 storage around zero point 0, a Clip behind QuantizeLinear below 8 bits, weights as int8 constants of one scale per
channel (BatchNorm is folded into it), float biases. Each file carries its input contract, its classes and, where it has
fewer than 8 bits between its 8-bit ends, its precision. Every file is held against the PyTorch module on all test
images; `networks.json` keeps what was found, beside the recipe.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from network import Block, QuantConv, QuantLinear, QuantResNet
from onnx import TensorProto, helper, numpy_helper
from quantizers import Quantizer
from torch import Tensor
from train import MEAN, STD, load, normalised, parsed

from seatrial.exporters.contract import InputContract, embed
from seatrial.exporters.own_precision import SIMULATED_KEY

OPSET = 17
END = 2**31 - 1  # Slice: to the end


class _Graph:
    """Nodes and constants, each named by what it belongs to."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: npt.NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, name: str, *inputs: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def quantized(self, name: str, x: str, quantizer: Quantizer | None) -> str:
        """The activations `x` through QuantizeLinear, Clip and DequantizeLinear."""
        if quantizer is None:
            return x
        scale = self.constant(f"{name}.scale", _array(quantizer.step()))
        zero = self.constant(f"{name}.zero", np.zeros((), np.int8))
        x = self.node("QuantizeLinear", f"{name}.q", x, scale, zero)
        if (quantizer.low, quantizer.high) not in ((0, 127), (-127, 127)):
            low, high = (np.array(bound, np.int8) for bound in (quantizer.low, quantizer.high))
            x = self.node(
                "Clip", f"{name}.clip", x, self.constant(f"{name}.low", low), self.constant(f"{name}.high", high)
            )
        return self.node("DequantizeLinear", f"{name}.dq", x, scale, zero)

    def weights(self, name: str, value: Tensor, quantizer: Quantizer | None, factor: Tensor) -> str:
        """Weights [out, ...] times `factor` [out]: a float constant, or int8 and DequantizeLinear per channel."""
        if quantizer is None:
            return self.constant(name, _array(value * factor.view(-1, *[1] * (value.dim() - 1))))
        integers = self.constant(f"{name}.integers", _array(quantizer.integers(value)).astype(np.int8))
        scale = self.constant(f"{name}.scale", _array(quantizer.step() * factor))
        zero = self.constant(f"{name}.zero", np.zeros(len(factor), np.int8))
        return self.node("DequantizeLinear", f"{name}.dq", integers, scale, zero, axis=0)

    def conv(self, name: str, x: str, layer: QuantConv) -> str:
        norm, conv = layer.norm, layer.conv
        factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weights = self.weights(f"{name}.weight", conv.weight, layer.weights, factor)
        bias = self.constant(f"{name}.bias", _array(norm.bias - norm.running_mean * factor))
        x = self.quantized(f"{name}.input", x, layer.inputs)
        shape = {"strides": list(conv.stride), "pads": list(conv.padding) * 2, "kernel_shape": list(conv.kernel_size)}
        return self.node("Conv", name, x, weights, bias, **shape)

    def shortcut(self, name: str, x: str, block: Block) -> str:
        if block.stride == 1:
            return x
        numbers = {"starts": [0, 0], "ends": [END, END], "axes": [2, 3], "steps": [block.stride] * 2}
        rows = [self.constant(f"{name}.{key}", np.array(value, np.int64)) for key, value in numbers.items()]
        x = self.node("Slice", f"{name}.slice", x, *rows)
        pads = np.array([0, block.pad, 0, 0, 0, block.pad, 0, 0], np.int64)
        return self.node("Pad", f"{name}.pad", x, self.constant(f"{name}.pads", pads))

    def last(self, name: str, x: str, layer: QuantLinear) -> str:
        x = self.node("Flatten", "pooled", self.node("GlobalAveragePool", "pool", x))
        x = self.quantized(f"{name}.input", x, layer.inputs)
        ones = torch.ones(len(layer.linear.weight))
        weights = self.weights(f"{name}.weight", layer.linear.weight, layer.weights, ones)
        bias = self.constant(f"{name}.bias", _array(layer.linear.bias))
        return self.node("Gemm", "logits", x, weights, bias, transB=1)


def _array(tensor: Tensor) -> npt.NDArray[np.float32]:
    return tensor.detach().float().numpy()


def to_onnx(network: QuantResNet, precision: str | None, classes: list[str]) -> onnx.ModelProto:
    """The network as ONNX: input "images" float32 [n, 3, 32, 32], output "logits" [n, 10]; `precision` for metadata."""
    graph = _Graph()
    x = graph.node("Relu", "stem.relu", graph.conv("stem", "images", network.stem))
    for number, block in enumerate(network.blocks):
        name = f"block{number + 1}"
        y = graph.node("Relu", f"{name}.first.relu", graph.conv(f"{name}.first", x, block.first))
        y = graph.conv(f"{name}.second", y, block.second)
        x = graph.node("Relu", f"{name}.relu", graph.node("Add", f"{name}.add", graph.shortcut(name, x, block), y))
    graph.last("last", x, network.last)
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 32, 32])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(classes)])
    proto = helper.make_graph(graph.nodes, "resnet20", [images], [logits], graph.constants)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    mean, std = (tuple(round(v, 6) for v in numbers.flatten().tolist()) for numbers in (MEAN, STD))
    embed(model, InputContract(size=(32, 32), mean=mean, std=std), classes)
    if precision is not None:
        model.metadata_props.add(key=SIMULATED_KEY, value=precision)
    onnx.checker.check_model(model, full_check=True)
    return model


def onnx_classes(path: Path, images: Tensor, optimised: bool) -> Tensor:
    """Classes int64 [N] that ONNX Runtime gives for uint8 images [N, 3, 32, 32], on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    batches = (normalised(part).contiguous().numpy() for part in images.split(500))
    return torch.cat([torch.from_numpy(session.run(None, {"images": batch})[0].argmax(1)) for batch in batches])


def torch_classes(network: QuantResNet, images: Tensor) -> Tensor:
    """Classes int64 [N] that the PyTorch module gives."""
    with torch.no_grad():
        return torch.cat([network(normalised(part)).argmax(1) for part in images.split(500)])


def main() -> None:
    """Export every network that was trained and is not exported yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="the folder with models/ and data/")
    parser.add_argument("--trained", type=Path, required=True, help="what train.py wrote")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    images, labels = load(options.shared / "data/cifar10/test.npz")
    classes = (options.shared / "data/cifar10/classes.txt").read_text().split()
    options.out.mkdir(parents=True, exist_ok=True)
    table = options.out / "networks.json"
    found = json.loads(table.read_text()) if table.exists() else {}
    for weights in sorted(options.trained.glob("*.pt")):
        name, path = weights.stem, options.out / f"{weights.stem}.onnx"
        if path.exists():
            continue
        method, bits, _ = parsed(name)
        network = QuantResNet(20, method, bits)
        network.load_state_dict(torch.load(weights, weights_only=True))
        network.eval()
        onnx.save(to_onnx(network, f"sim-w{bits}a{bits}" if bits in (2, 4, 6) else None, classes), path)
        meant = torch_classes(network, images)
        facts = json.loads(weights.with_suffix(".json").read_text())
        for key, optimised in (("same_class", False), ("same_class_optimised", True)):
            given = onnx_classes(path, images, optimised)
            facts[key] = round(100 * float((given == meant).float().mean()), 2)
            facts[key.replace("same_class", "onnx_top1")] = round(100 * float((given == labels).float().mean()), 2)
        found[name] = facts
        table.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        print(
            f"{name}: PyTorch {facts['top1']:.2f} %, ONNX Runtime {facts['onnx_top1']:.2f} %; the same class on",
            end=" ",
        )
        print(
            f"{facts['same_class']:.2f} % of {len(images)}, optimised {facts['same_class_optimised']:.2f} %", flush=True
        )


if __name__ == "__main__":
    main()
