"""What a target needs before its engine can be built: another file, and images to make it from."""

from __future__ import annotations

from calib import QuantizeOptions, has_recipe, needs_images
from engines import ENGINES
from engines.precision import is_quantized
from exporters import DeployableModel
from harness.spec import TargetSpec


def needs_quantizing(model: DeployableModel, target: TargetSpec) -> bool:
    """True where another file must be made of the model before the target's engine can be built.

    A model that is quantized by itself runs as it is, at that precision; an engine without a recipe for a float
    precision casts by itself.
    """
    if not ENGINES[target.engine].executes_graph or target.precision in ("fp32", model.precision):
        return False
    return is_quantized(target.precision) or has_recipe(recipe_of(target), target.precision)


def recipe_of(target: TargetSpec) -> str:
    """Whose recipe makes the file of the target."""
    return ENGINES[target.engine].recipe(target.device)


def needs_calibration(model: DeployableModel, target: TargetSpec, options: QuantizeOptions) -> bool:
    """True where that file is made by looking at calibration images."""
    return needs_quantizing(model, target) and needs_images(target.precision, options)
