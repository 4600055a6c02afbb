"""Trains the study's networks: 784-100-10 ReLU on MNIST, weights and biases of B bits in the forward pass.

    python docs/studies/merkel/train.py --mnist ../shared/data/mnist.npz --parts build/merkel

Recipe (Gorsline, Smith, Merkel 2021, section 4, as far as it is known): Adam with the defaults of Keras, softmax and
cross-entropy, batches of 32, the last 6,000 training images held out, early stopping. Weights and biases are kept in
[-1, 1] and rounded in the forward pass; gradients pass the rounding unchanged (straight-through). Not stated there,
chosen here: the two grids of `grids.py`; stopping after PATIENCE epochs without a better held-out accuracy, with the
best epoch's weights kept; Glorot's uniform start with biases of zero (the default of Keras).

Networks of one seed share start and order of images: they differ by the rounding alone. An epoch runs in C (`epoch.c`,
built here by `cc`), about ten times as fast as PyTorch or a batch of networks in it: most pixels are black, and one
network with Adam's averages fits a core's cache.
"""

import argparse
import ctypes
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from grids import FLOAT, SEEDS, SIZES, grid_of, key_of, names_of_a_seed

BATCH, HELD_OUT, PATIENCE, MOST_EPOCHS = 32, 6000, 3, 40
N_IN, N_HIDDEN, N_OUT = SIZES
ALL = N_IN * N_HIDDEN + N_HIDDEN + N_HIDDEN * N_OUT + N_OUT


@dataclass(frozen=True)
class Digits:
    """Images uint8 [N, 784] and labels int64 [N], both contiguous."""

    x: np.ndarray
    y: np.ndarray


def built(folder: Path) -> ctypes.CDLL:
    """Compiles epoch.c into the folder. Raises CalledProcessError where the compiler refuses."""
    source, library = Path(__file__).with_name("epoch.c"), folder / "epoch.so"
    options = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", "-o", str(library), str(source), "-lm"]
    subprocess.run(["cc", *options], check=True)  # noqa: S603, S607  # the user's compiler
    code = ctypes.CDLL(str(library))
    code.epoch.restype = code.right.restype = ctypes.c_int64
    return code


def at(array: np.ndarray) -> ctypes.c_void_p:
    """Where an array's values lie."""
    return ctypes.c_void_p(array.ctypes.data)


def start(draw: np.random.Generator) -> np.ndarray:
    """Glorot's uniform start of one network, float32 [79510]: w1 [784, 100], b1, w2 [100, 10], b2."""
    parts = []
    for n_in, n_out in ((N_IN, N_HIDDEN), (N_HIDDEN, N_OUT)):
        limit = (6 / (n_in + n_out)) ** 0.5
        parts += [draw.uniform(-limit, limit, n_in * n_out), np.zeros(n_out)]
    return np.concatenate(parts).astype(np.float32)


def train(code: ctypes.CDLL, seed: int, name: str, learn: Digits, held: Digits) -> tuple[np.ndarray, list[float]]:
    """One network: the values float32 [79510], on its grid, of its best epoch; held-out accuracy after each epoch."""
    draw = np.random.default_rng(seed)
    flat = start(draw)
    first, second, used, grad = (np.zeros(ALL, np.float32) for _ in range(4))
    scale, most = (ctypes.c_float(value) for value in grid_of(name))
    best, curve, steps = used, list[float](), 0
    while len(curve) < MOST_EPOCHS and len(curve) - (int(np.argmax(curve)) + 1 if curve else 0) < PATIENCE:
        order, count = draw.permutation(len(learn.y)), ctypes.c_int64(len(learn.y))
        arrays = [at(array) for array in (flat, first, second, used, grad, learn.x, learn.y, order)]
        steps = code.epoch(*arrays, count, ctypes.c_int64(BATCH), ctypes.c_int64(steps), scale, most)
        curve.append(code.right(at(used), at(held.x), at(held.y), ctypes.c_int64(len(held.y))) / len(held.y))
        if curve[-1] > max(curve[:-1], default=-1.0):
            best = used.copy()
    return best, curve


def as_kept(name: str, used: np.ndarray) -> np.ndarray:
    """A network as it is stored: integers on its grid, int8 where they fit, else int16; float32 of the float one."""
    if name == FLOAT:
        return used
    scale, most = grid_of(name)
    return np.rint(used * scale).astype(np.int8 if most < 128 else np.int16)


def main() -> None:
    """Trains network by network; one that lies in the parts' folder is not trained again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True, help="mnist.npz with train_images and train_labels")
    parser.add_argument("--parts", type=Path, required=True, help="a folder for the finished networks")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("networks.npz"), help="all in one .npz")
    asked = parser.parse_args()
    with np.load(asked.mnist) as file:
        x = np.ascontiguousarray(file["train_images"].reshape(-1, N_IN))
        y = file["train_labels"].astype(np.int64)
    learn, held = Digits(x[:-HELD_OUT], y[:-HELD_OUT]), Digits(x[-HELD_OUT:], y[-HELD_OUT:])
    asked.parts.mkdir(parents=True, exist_ok=True)
    code = built(asked.parts)
    kept: dict[str, np.ndarray] = {}
    for seed in range(asked.seeds):
        for name in names_of_a_seed():
            key = key_of(seed, name)
            part = asked.parts / f"{key}.npz"
            if not part.exists():
                began = time.monotonic()
                used, curve = train(code, seed, name, learn, held)
                np.savez_compressed(part.with_suffix(".new.npz"), network=as_kept(name, used), held_out=np.array(curve))
                part.with_suffix(".new.npz").rename(part)
                spent = time.monotonic() - began
                print(f"{key}: {max(curve):.4f} held out, {len(curve)} epochs, {spent:.0f} s", flush=True)
            with np.load(part) as file:
                kept[key], kept[f"{key}-held-out"] = file["network"], file["held_out"]
    np.savez_compressed(asked.out, **kept)


if __name__ == "__main__":
    main()
