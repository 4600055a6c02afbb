"""One step, in the process that is its own: `python -m gpukit.do KIND NAME ARGUMENTS...`."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import sys
import traceback
from pathlib import Path

from gpukit.results import FAILED, RESULT, SKIPPED, Result
from seatrial.errors import SeatrialError, UnsupportedError


def main(kind: str, name: str, *arguments: str) -> None:
    """Calls `do(work, name, *arguments)` of a module of `gpukit.doing`, and writes its result."""
    work = Path(os.environ["GPUKIT_WORK"])
    try:
        result: Result = importlib.import_module(f"gpukit.doing.{kind}").do(work, name, *arguments)
    except UnsupportedError as error:
        result = Result(SKIPPED, str(error))
    except SeatrialError as error:
        result = Result(FAILED, str(error))
    except Exception as error:
        traceback.print_exc()
        result = Result(FAILED, f"{type(error).__name__}: {error}")
    path = Path(os.environ[RESULT])
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(dataclasses.asdict(result), allow_nan=False), encoding="utf-8")
    partial.replace(path)
    sys.stdout.flush()
    os._exit(0)  # a runtime's own clean-up is where many of them crash


if __name__ == "__main__":
    main(*sys.argv[1:])
