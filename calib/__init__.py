"""Float ONNX -> ONNX at the asked precision, in the Q/DQ form that the engine really executes."""

from __future__ import annotations

from pathlib import Path

from calib import cache as _cache
from calib.images import CalibrationImages
from calib.recipes import Recipe, recipe_for
from calib.static import check_quantizable, quantize_static
from exporters.float_view import float_view
from exporters.model import DeployableModel

__all__ = ["CalibrationImages", "Recipe", "quantize", "recipe_for"]


def quantize(
    model: DeployableModel,
    precision: str,
    *,
    engine: str,
    images: CalibrationImages,
    cache: Path | None = None,
) -> DeployableModel:
    """The model at `precision` in the recipe of `engine`, calibrated on `images`, from its float32 form.

    cache: a folder to find it in and to file it into, keyed by all that shapes it. Raises UnsupportedError (no
    recipe), BadInputError (nothing to calibrate on, or quantized already) or BuildError (the quantizer failed).
    """
    recipe = recipe_for(engine, precision)
    if cache is None:
        return quantize_static(model, recipe, images)
    check_quantizable(model, images)
    model = float_view(model)
    key = _cache.cache_key(model, recipe, images)
    return _cache.find(cache, key, model) or _cache.store(cache, key, quantize_static(model, recipe, images))
