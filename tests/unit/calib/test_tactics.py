"""Products that TensorRT has no fast 8-bit kernel for."""

import pytest

from seatrial.calib.tactics import RULES, Product


@pytest.mark.parametrize(
    ("product", "int8", "fp8"),
    [
        (Product(64, 64, (3, 3)), True, True),
        (Product(17, 17, (3, 3)), True, True),
        (Product(16, 16, (3, 3)), True, False),  # fp8 wants more than 16
        (Product(32, 3, (3, 3), first=True), True, False),  # first layer, 3 channels
        (Product(64, 3, (7, 7), first=True), True, False),
        (Product(12, 3, (3, 3), first=True), False, False),  # neither a multiple of 8
        (Product(8, 8, (3, 3)), False, False),
        (Product(8, 8, (3, 3), first=True), True, False),
        (Product(32, 8, (3, 5)), False, False),  # a window of two lengths
        (Product(32, 1, (3, 3), groups=32), True, False),  # depthwise
        (Product(32, 1, (1, 1), groups=32), False, False),
        (Product(30, 1, (3, 3), groups=30), False, False),
        (Product(64, 64, (7, 7)), True, False),  # 49 elements
        (Product(64, 64, (5, 5)), True, True),
        (Product(10, 64), False, False),
        (Product(16, 64), True, True),
        (Product(64, 8), False, False),
    ],
)
def test_what_is_worth_quantizing(product, int8, fp8):
    for precision, expected in (("int8", int8), ("fp8", fp8)):
        reason = RULES[precision](product)
        assert (reason is None) == expected, reason
        assert reason is None or "Tensor" in reason or "below 16" in reason
