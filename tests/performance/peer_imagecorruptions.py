"""PyPI's imagecorruptions, made importable on current NumPy, SciPy, scikit-image and setuptools: imports patched
only.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

import numpy as np
import scipy.ndimage


def load_peer() -> types.ModuleType:
    """The module `imagecorruptions`; its functions' bodies are its own. Raises ImportError where it is not
    installed.
    """
    import skimage.filters  # not part of what the other tests need

    resources = types.ModuleType("pkg_resources")

    def resource_filename(module: str, name: str) -> str:
        return str(Path(sys.modules[module].__file__ or "").parent / name)

    resources.resource_filename = resource_filename  # type: ignore[attr-defined]
    sys.modules.setdefault("pkg_resources", resources)
    interpolation = types.ModuleType("scipy.ndimage.interpolation")
    interpolation.map_coordinates = scipy.ndimage.map_coordinates  # type: ignore[attr-defined]
    sys.modules["scipy.ndimage.interpolation"] = interpolation
    vars(np).setdefault("float_", np.float64)
    peer = importlib.import_module("imagecorruptions")
    corruptions = importlib.import_module("imagecorruptions.corruptions")

    def gaussian(image, sigma, multichannel=False, **options):  # type: ignore[no-untyped-def]
        return skimage.filters.gaussian(image, sigma, channel_axis=-1 if multichannel else None, **options)

    corruptions.gaussian = gaussian  # type: ignore[attr-defined]
    return peer
