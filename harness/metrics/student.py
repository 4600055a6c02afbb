"""Student's t distribution."""

from __future__ import annotations

import math


def t_tail(t: float, freedom: int) -> float:
    """P(T > t) of Student's t distribution with an integer number of degrees of freedom, to about 1e-14.

    The finite series of Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.

    >>> round(t_tail(2.0, 10), 6)
    0.036694
    """
    if freedom < 1:
        raise ValueError(f"{freedom} degrees of freedom")
    angle = math.atan(abs(t) / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= cosine * cosine * k / (k + 1)
    inside = (2 / math.pi) * (angle + sine * total) if odd else sine * total
    tail = max(0.0, (1 - inside) / 2)
    return tail if t >= 0 else 1 - tail


def t_quantile(tail: float, freedom: int) -> float:
    """The t above which `tail`, 0 to 0.5, of the distribution lies: 1.96 becomes 12.7 with one degree of freedom.

    >>> round(t_quantile(0.025, 1), 3), round(t_quantile(0.025, 9), 3)
    (12.706, 2.262)
    """
    if not 0 < tail <= 0.5:
        raise ValueError(f"{tail} is no tail")
    low, high = 0.0, 1.0
    while t_tail(high, freedom) > tail:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_tail(middle, freedom) > tail else (low, middle)
    return (low + high) / 2
