"""Optional packages, imported when they are needed: one that is missing is told from one that is there and broken."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from types import ModuleType

from seatrial.errors import UnsupportedError

_LONGEST = 240
_OURS = ("seatrial", "bench")
# What so much is built on that their frame stands last in many a fault that is not theirs.
_BASES = ("torch", "numpy", "onnx")
# Where PyTorch's builds for the CPU, for each CUDA and for ROCm lie, with the torchvision that fits each.
_PYTORCH_INDEX = "https://download.pytorch.org/whl"


class PackageError(UnsupportedError):
    """A package is missing, or is there and does not import. mend: the line that helps."""

    def __init__(self, says: str, mend: str) -> None:
        super().__init__(says)
        self.mend = mend


def installed_versions(packages: Sequence[str]) -> dict[str, str | None]:
    """Name of a distribution -> version, None where it is missing."""
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def need(module: str, what: str, install: str) -> ModuleType:
    """The module, imported now.

    what: who needs it, to begin a sentence. install: the line that installs it. PackageError where it is missing, or
    raises on import, whatever it raises.
    """
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise package_error(module, what, install, error) from error


def package_error(module: str, what: str, install: str, error: Exception) -> PackageError:
    """What to tell the user of a package that failed to import with `error`."""
    if is_missing(module, error):
        name = module.partition(".")[0] if getattr(error, "name", "") == module.partition(".")[0] else module
        return PackageError(f"{what} needs {name}, which is not installed. Install it: {install}", install)
    says, mend = broken(module, install, error)
    return PackageError(f"{what} needs {says}. Mend it: {mend}", mend)


def is_missing(module: str, error: Exception) -> bool:
    """True where the module itself is not there, False where it is and something in it fails."""
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    if not name or not f"{module}.".startswith(f"{name}."):
        return False
    parent = name.rpartition(".")[0]
    if not parent:
        return True
    spec = importlib.util.find_spec(parent)
    return spec is None or spec.origin is None  # a namespace: other packages may have a part in it


def broken(module: str, install: str, error: Exception) -> tuple[str, str]:
    """(what is installed and what it says, the line that mends it) of a module that fails to import with `error`."""
    top = module.partition(".")[0]
    seen = [name for name in _packages_in(error) if name != top]
    beside = [spelled for spelled in map(_with_version, seen) if " " in spelled]
    says = f"{type(error).__name__}: {' '.join(str(error).split())}"[:_LONGEST].rstrip(". ")
    cause = list(_with_causes(error))[-1]
    if isinstance(cause, ModuleNotFoundError) and cause.name:
        says = f"it needs {cause.name.partition('.')[0]}, which is not installed"
        mend = install
    else:
        mend = _mend([top, *seen])
    others = f" (beside {', '.join(beside)})" if beside else ""
    return f"{_with_version(top)}, which is installed{others} but does not import: {says}", mend


def _mend(packages: Sequence[str]) -> str:
    """packages: those that were at work, outermost first. The fault is the last one's, unless all stand on that."""
    if "torchvision" in packages and _version("torch") is not None:
        return torchvision_line(str(_version("torch")))
    at_fault = next((name for name in reversed(packages) if name not in _BASES), packages[0])
    return f"pip install --upgrade --force-reinstall --no-deps {_distribution(at_fault) or at_fault}"


def torchvision_line(torch: str) -> str:
    """Installs the torchvision that is built for the installed PyTorch: release 0.(M + 15) goes with 2.M, and each
    build (+cpu, +cu128, ...) lies in an index of its own (https://github.com/pytorch/vision#installation).

    >>> torchvision_line("2.13.0+cpu")
    "pip install --force-reinstall --no-deps 'torchvision==0.28.*' --index-url https://download.pytorch.org/whl/cpu"
    """
    release, _, build = torch.partition("+")
    major, minor = (*release.split("."), "0")[:2]
    wanted = f"'torchvision==0.{int(minor) + 15}.*'" if major == "2" and minor.isdigit() else "torchvision"
    index = f" --index-url {_PYTORCH_INDEX}/{build}" if build else ""
    return f"pip install --force-reinstall --no-deps {wanted}{index}"


def _packages_in(error: BaseException) -> list[str]:
    """The packages whose code was at work when an import failed, outermost first."""
    found: dict[str, None] = {}
    for name in _modules_in(error):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in _OURS and not top.startswith("_"):
            found[top] = None
    return list(found)


def _modules_in(error: BaseException) -> Iterator[str]:
    for one in _with_causes(error):
        trace = one.__traceback__
        while trace is not None:
            yield str(trace.tb_frame.f_globals.get("__name__", ""))
            trace = trace.tb_next


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was raised from or behind: packages wrap what their own imports raise."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _with_version(name: str) -> str:
    found = _version(name)
    return name if found is None else f"{name} {found}"


def _version(name: str) -> str | None:
    try:
        return version(_distribution(name) or name)
    except PackageNotFoundError:
        return None


def _distribution(name: str) -> str | None:
    return next(iter(packages_distributions().get(name, ())), None)
