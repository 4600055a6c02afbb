"""`file.py:factory`: a function, class or module in the user's own Python file."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from seatrial.errors import BadInputError, UsageError
from seatrial.exporters.torch_sources.runtime import need
from seatrial.files import no_file


def module_from_factory(path: Path, factory: str) -> Any:
    """Runs the file, calls `factory` without arguments and returns its nn.Module. It is the user's own code, which
    `server` runs in a process of its own.

    `factory` may also be a module that exists already. Raises UsageError where there is no such file or name,
    BadInputError where the code fails or gives something else.
    """
    torch = need("torch")
    if missing := no_file(path):
        raise UsageError(missing)
    code = _run(path)
    if not hasattr(code, factory):
        known = [name for name, value in vars(code).items() if callable(value) and not name.startswith("_")]
        raise UsageError(f"{path} has no {factory!r}. It has: {', '.join(sorted(known))}.")
    made = getattr(code, factory)
    if not isinstance(made, torch.nn.Module):
        try:
            made = made()
        except BaseException as error:  # the user's code raises what it likes, and exits
            raise BadInputError(f"{path}:{factory}() failed: {error!r}. It is called without arguments.") from error
    if not isinstance(made, torch.nn.Module):
        raise BadInputError(f"{path}:{factory}() gave a {type(made).__name__}; expected a torch.nn.Module.")
    return made


def _run(path: Path) -> Any:
    # Under a name of its own, so that it replaces no installed module; its folder is searched for its own imports.
    name = f"seatrial_factory_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file.")
    code = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    sys.modules[name] = code
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(code)
    except BaseException as error:  # sys.exit() included
        del sys.modules[name]
        raise BadInputError(f"{path} cannot be imported: {error!r}.") from error
    finally:
        sys.path.remove(folder)
    return code
