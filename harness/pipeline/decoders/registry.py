"""Which decoders there are, what each needs, and which of them this machine has."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.util
from collections.abc import Callable

from PIL import Image

from seatrial.errors import UnsupportedError, UsageError
from seatrial.exporters.contract import DECODERS
from seatrial.harness.pipeline.picture import Picture
from seatrial.packages import PackageError, need
from seatrial.text import choices

Decode = Callable[[Image.Image, bytes], Picture]
_HERE = "seatrial.harness.pipeline.decoders"


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A decoder that is ready. version: its library's. decode: (the opened file, its bytes) -> uint8 RGB [H, W, 3], or
    Pillow's image of that mode, as stored.

    It may raise whatever its library raises for a file that it does not read; it is called from several threads.
    """

    version: str
    decode: Decode


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a decoder comes from. module: of this package, imported only when it is used. needs: the library's import
    name. install: the exact line. options: of the module's `loader`, where it has one instead of `load`.
    """

    module: str
    needs: str
    install: str
    options: tuple[str, ...] | None = None

    def load(self) -> Loaded:
        """Raises what the library raises where it is missing or does not start."""
        module = importlib.import_module(f"{_HERE}.{self.module}")
        loaded: Loaded
        if self.options is None:
            loaded = module.load()
        else:
            loaded = module.loader(**dict.fromkeys(self.options, True))()
        return loaded


@dataclasses.dataclass(frozen=True)
class DecoderStatus:
    """A decoder on this machine. missing: why it cannot be used and how to get it, None where it can be."""

    name: str
    version: str | None
    missing: str | None
    install: str


_BASE, _EXTRA = "pip install seatrial", "pip install 'seatrial[decoders]'"
_SOURCES = {
    "pillow": Source("pillow", "PIL", _BASE),
    "opencv": Source("opencv", "cv2", _BASE),
    "ffmpeg": Source("ffmpeg", "av", _EXTRA),
    "turbojpeg": Source("turbojpeg", "simplejpeg", _EXTRA, ()),
    "turbojpeg-fast-dct": Source("turbojpeg", "simplejpeg", _EXTRA, ("fast_dct",)),
    "turbojpeg-fast-upsample": Source("turbojpeg", "simplejpeg", _EXTRA, ("fast_upsample",)),
    "turbojpeg-fast": Source("turbojpeg", "simplejpeg", _EXTRA, ("fast_dct", "fast_upsample")),
    "torchvision": Source("torchvision", "torchvision", "pip install 'seatrial[torch,zoo]'"),
    "dali": Source("dali", "nvidia.dali", "pip install 'seatrial[dali]'"),
    "nvjpeg": Source("nvjpeg", "nvidia.nvimgcodec", "pip install 'seatrial[nvjpeg]'"),
}
assert tuple(_SOURCES) == DECODERS


def load(name: str) -> Loaded:
    """The decoder, ready; loaded once. UnsupportedError with the reason and the install line where it is not here,
    UsageError for a name that is none of `DECODERS`.
    """
    found = _load(name)
    if isinstance(found, str):
        raise UnsupportedError(found)
    return found


def unavailable(name: str) -> str | None:
    """Why the decoder cannot be used on this machine and how to get it; None where it can be.

    Where the library is installed, it is imported: that takes seconds for torchvision.
    """
    found = _load(name)
    return found if isinstance(found, str) else None


def available_decoders() -> tuple[DecoderStatus, ...]:
    """Every decoder on this machine, in the order of `DECODERS`."""
    return tuple(
        DecoderStatus(
            name,
            found.version if isinstance(found := _load(name), Loaded) else None,
            found if isinstance(found, str) else None,
            source.install,
        )
        for name, source in _SOURCES.items()
    )


@functools.cache
def _load(name: str) -> Loaded | str:
    if name not in _SOURCES:
        raise UsageError(f"Unknown decoder {name!r}. {choices(name, DECODERS)}")
    source = _SOURCES[name]
    if not _installed(source.needs):
        return f"The decoder {name} needs {source.needs}: {source.install}"
    try:
        need(source.needs, f"The decoder {name}", source.install)
        return source.load()
    except PackageError as error:
        return str(error)
    except Exception as error:  # a library that is here and cannot be used, as without a GPU, raises what it likes
        return f"The decoder {name} is installed, but does not start here: {str(error).rstrip('.')}."


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it
        return False
