"""Writes the study's networks as ONNX files, and MNIST as the archives that the command reads.

    python docs/studies/merkel/export.py --mnist ../shared/data/mnist.npz --out build/merkel

Makes seedS/float.onnx, seedS/levels-w1.onnx ... seedS/sign-w9.onnx, test.npz (10,000 images) and clean.json, each
network's accuracy on these. A quantized network is weight-only Q/DQ: integers of networks.npz behind DequantizeLinear
with the grid's one scale, for weights and biases alike. Each file says its precision, the number of levels that its
grid has, in its metadata, for a network may use fewer: levels-w4 is sim-w4; sign-w4, with the sign as an extra bit,
sim-w5. So sign-w10, of eleven bits, has no word and is not written.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
from grids import FLOAT, SEEDS, SIZES, grid_of, key_of, names_of_a_seed
from onnx import TensorProto, helper, numpy_helper

from seatrial.exporters.contract import InputContract, embed
from seatrial.exporters.own_precision import SIMULATED_KEY

N_IN, N_HIDDEN, N_OUT = SIZES
CUTS = np.cumsum([N_IN * N_HIDDEN, N_HIDDEN, N_HIDDEN * N_OUT])
CLASSES = [str(digit) for digit in range(10)]
NOT_WRITTEN = "sign-w10"
OPSET = 21  # the first with 16-bit integers in DequantizeLinear


def to_onnx(kept: np.ndarray, name: str) -> onnx.ModelProto:
    """A network [79510] as it is kept, as a graph from `pixels` float32 [N, 784] in [0, 1] to `logits` [N, 10]."""
    w1, b1, w2, b2 = np.split(kept, CUTS)
    parts = {"w1": w1.reshape(N_IN, N_HIDDEN), "b1": b1, "w2": w2.reshape(N_HIDDEN, N_OUT), "b2": b2}
    nodes, constants = [], []
    if name == FLOAT:
        constants += [numpy_helper.from_array(value, part) for part, value in parts.items()]
    else:
        constants.append(numpy_helper.from_array(np.array(1 / grid_of(name)[0], np.float32), "scale"))
        for part, value in parts.items():
            constants.append(numpy_helper.from_array(value, f"{part}_integers"))
            nodes.append(helper.make_node("DequantizeLinear", [f"{part}_integers", "scale"], [part], name=part))
    nodes += [
        helper.make_node("Gemm", ["pixels", "w1", "b1"], ["sum"], name="hidden"),
        helper.make_node("Relu", ["sum"], ["relu"], name="relu"),
        helper.make_node("Gemm", ["relu", "w2", "b2"], ["logits"], name="classes"),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", N_IN])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", N_OUT])
    graph = helper.make_graph(nodes, name, [pixels], [logits], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    embed(model, InputContract((28, 28), color="gray"), CLASSES)
    if name != FLOAT:
        levels = grid_of(name)[1] + 1
        model.metadata_props.add(key=SIMULATED_KEY, value=f"sim-w{levels.bit_length() - 1}")
    onnx.checker.check_model(model, full_check=True)
    return model


def accuracy(kept: np.ndarray, name: str, images: np.ndarray, labels: np.ndarray) -> float:
    """Share right in float32 NumPy, independent of ONNX and of the code that trained: images uint8 [N, 784]."""
    values = kept if name == FLOAT else kept.astype(np.float32) / np.float32(grid_of(name)[0])
    w1, b1, w2, b2 = np.split(values, CUTS)
    hidden = np.maximum(images.astype(np.float32) / 255 @ w1.reshape(N_IN, N_HIDDEN) + b1, 0)
    return float(((hidden @ w2.reshape(N_HIDDEN, N_OUT) + b2).argmax(1) == labels).mean())


def main() -> None:
    """Writes what the docstring above names; says each network's test accuracy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True, help="mnist.npz with train_, test_ images and labels")
    parser.add_argument("--networks", type=Path, default=Path(__file__).with_name("networks.npz"))
    parser.add_argument("--out", type=Path, required=True, help="the folder for the files")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="the first so many alone")
    asked = parser.parse_args()
    with np.load(asked.mnist) as file:
        images, labels = file["test_images"], file["test_labels"]
    asked.out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(asked.out / "test.npz", images=images, labels=labels)
    clean: dict[str, list[float]] = {name: [] for name in names_of_a_seed()}
    with np.load(asked.networks) as networks:
        for seed in range(asked.seeds):
            folder = asked.out / f"seed{seed}"
            folder.mkdir(exist_ok=True)
            for name in names_of_a_seed():
                kept = networks[key_of(seed, name)]
                if name != NOT_WRITTEN:
                    onnx.save(to_onnx(kept, name), folder / f"{name}.onnx")
                clean[name].append(accuracy(kept, name, images.reshape(-1, N_IN), labels))
                print(f"{folder.name} {name}: {100 * clean[name][-1]:.2f} % of {len(labels)}")
    (asked.out / "clean.json").write_text(json.dumps(clean))


if __name__ == "__main__":
    main()
