"""Which form each engine really executes at each precision."""

from __future__ import annotations

from seatrial.calib.recipes import onnxruntime, onnxruntime_int4, openvino, simulated, tensorrt
from seatrial.calib.recipes.recipe import Recipe
from seatrial.engines import ENGINES
from seatrial.engines.precision import NOWHERE_EXECUTED, SIMULATED, SIMULATED_WEIGHTS
from seatrial.errors import UnsupportedError

__all__ = ["Recipe", "recipe_for"]

_RECIPES: dict[tuple[str, str], Recipe] = {
    (recipe.engine, recipe.precision): recipe
    for family in (onnxruntime, onnxruntime_int4, openvino, tensorrt)
    for recipe in family.RECIPES
}


def recipe_for(engine: str, precision: str) -> Recipe:
    """The recipe of an engine for a precision other than fp32; UnsupportedError where none exists."""
    found = _RECIPES.get((engine, precision)) or simulated.recipe(engine, precision)
    if found is not None:
        return found
    if precision in NOWHERE_EXECUTED:
        raise UnsupportedError(f"No engine executes {precision}: {NOWHERE_EXECUTED[precision]}.")
    if engine in ENGINES and ENGINES[engine].as_written:
        raise UnsupportedError(
            f"Engine {engine!r} has no {precision} form of its own to quantize a float model to: it computes what the "
            f"nodes of a quantized file say. Ask for a simulated precision ({SIMULATED}, {SIMULATED_WEIGHTS}), or give "
            f"such a file: `quantize --engine onnxruntime --precision {precision} --out FILE` makes one."
        )
    known = ", ".join(f"{precision} for {engine}" for engine, precision in _RECIPES)
    raise UnsupportedError(
        f"There is no recipe for {precision} on engine {engine!r}. There is: {known}; {SIMULATED} and "
        f"{SIMULATED_WEIGHTS} (simulated) for {', '.join(simulated.ENGINES)}."
    )
