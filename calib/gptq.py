"""GPTQ: rounds a matrix to 4 bits so that its products with real inputs change least (Frantar et al. 2022, 2210.17323).

Weights are rounded one row of the inner axis after the other; what rounding a row costs is made up for by the rows that
are still to come, in proportion to the inverse of the inputs' second moments.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.calib.blocked import Blocked, Matrix, codes_of, grid_of

# Of the mean of the Hessian's diagonal, added to the diagonal (section 3.3, step 3).
DAMPING = 0.01


class Moments:
    """The sum of x x^T over the inputs of a layer, batch by batch: memory is K x K float64, whatever the number."""

    def __init__(self, inner: int) -> None:
        self.rows = 0
        self._sum: Matrix = np.zeros((inner, inner))

    def add(self, inputs: npt.NDArray[Any]) -> None:
        """Takes float inputs [..., K]."""
        rows = inputs.reshape(-1, inputs.shape[-1]).astype(np.float64)
        self._sum += rows.T @ rows
        self.rows += len(rows)

    def hessian(self) -> Matrix:
        """2 E[x x^T], float64 [K, K]: the Hessian of the mean squared error of one output in its weights."""
        return 2 * self._sum / max(1, self.rows)


def gptq(weight: npt.NDArray[Any], hessian: Matrix, block: int, symmetric: bool, damping: float = DAMPING) -> Blocked:
    """[K, N] in 4 bits, K a multiple of `block`; hessian: [K, K], as `Moments` gives it.

    With U the upper Cholesky factor of the damped inverse Hessian, for every row i in order: q_i = nearest(w_i), then
    w_j -= U_ij / U_ii (w_i - q_i) for j > i (algorithm 1). A block's grid is that of its weights when its turn comes,
    those already changed by the rows before. Inputs that are always 0 get weights of 0.
    """
    rest: Matrix = np.array(weight, np.float64)
    factor = _inverse_factor(hessian, rest, damping)
    codes = np.empty(rest.shape, np.int64)
    scales, zeros = [], []
    for start in range(0, len(rest), block):
        stop = start + block
        scale, zero = grid_of(rest[start:stop], symmetric)
        scales.append(scale)
        zeros.append(zero)
        errors = np.empty((block, rest.shape[1]))
        for row in range(start, stop):
            codes[row] = codes_of(rest[row], scale, zero, symmetric)
            errors[row - start] = (rest[row] - (codes[row] - zero) * scale) / factor[row, row]
            rest[row + 1 : stop] -= np.outer(factor[row, row + 1 : stop], errors[row - start])
        # What the block owes to all later rows, at once (the paper's lazy batches).
        rest[stop:] -= factor[start:stop, stop:].T @ errors
    return Blocked(codes, np.stack(scales), np.stack(zeros), block, symmetric)


def reconstruction_error(weight: npt.NDArray[Any], rounded: npt.NDArray[Any], hessian: Matrix) -> float:
    """Mean over inputs of the squared change of the outputs, summed over outputs: tr(D^T H D) / 2, D = W - Q."""
    change = np.asarray(weight, np.float64) - np.asarray(rounded, np.float64)
    return float(np.einsum("kn,kj,jn->", change, hessian, change, optimize=True)) / 2


def _inverse_factor(hessian: Matrix, weight: Matrix, damping: float) -> Matrix:
    """U with U^T U = (H + damping mean(diag H) I)^-1, upper triangular. Zeroes the weights of dead inputs, in place."""
    damped = hessian.copy()
    diagonal = np.einsum("ii->i", damped)  # a view
    dead = diagonal == 0
    diagonal[dead] = 1
    weight[dead] = 0
    diagonal += damping * diagonal.mean()
    upper: Matrix = np.linalg.cholesky(np.linalg.inv(damped)).T
    return upper
