"""NVIDIA's Python bindings as a type: one adapter serves `tensorrt` 10.x and 11.x and `tensorrt_rtx`.

Functions take the imported module as an argument of the type `Bindings`. It is known where its stubs are, which the
contract tests make from the real bindings of every version; elsewhere it is Any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorrt_typing import Bindings
else:
    Bindings = Any

__all__ = ["Bindings"]
