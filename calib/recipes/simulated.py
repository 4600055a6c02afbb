"""What simulated executes."""

from __future__ import annotations

from calib.recipes.recipe import Recipe

RECIPES: tuple[Recipe, ...] = ()
