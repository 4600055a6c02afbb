"""Which form each engine really executes at each precision."""

from __future__ import annotations

from calib.recipes import onnxruntime, openvino, simulated, tensorrt
from calib.recipes.recipe import Recipe
from shipcheck.errors import UnsupportedError

__all__ = ["Recipe", "recipe_for"]

_RECIPES: dict[tuple[str, str], Recipe] = {
    (recipe.engine, recipe.precision): recipe
    for family in (onnxruntime, openvino, tensorrt, simulated)
    for recipe in family.RECIPES
}


def recipe_for(engine: str, precision: str) -> Recipe:
    """The recipe of an engine for a precision other than fp32; UnsupportedError where none exists."""
    try:
        return _RECIPES[engine, precision]
    except KeyError:
        known = ", ".join(f"{precision} for {engine}" for engine, precision in _RECIPES)
        raise UnsupportedError(f"There is no recipe for {precision} on engine {engine!r}. There is: {known}.") from None
