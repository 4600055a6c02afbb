"""One archive of a run of the kit: written from its folder; read as what a stranger may have sent."""

from __future__ import annotations

import json
import os
import stat
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gpukit.results import Done
from seatrial.engines.hardware import SCHEMA, Ran, runs_of
from seatrial.errors import BadInputError
from seatrial.files import replacing

KIT = "kit.json"
_LARGEST_ARCHIVE, _LARGEST_KIT, _MOST_MEMBERS, _MOST_RUNS = 1 << 30, 16 << 20, 5000, 1000
# Of a file that a step has left: what is larger stays out, and is told.
_LARGEST_FILE = 64 << 20


def write(work: Path, path: Path, done: Sequence[Done], about: Mapping[str, Any]) -> list[str]:
    """Writes all of the folder, and `kit.json` beside: steps, runs, and `about`. Returns what was too large for it."""
    left_out = []
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder, folders, names in os.walk(work):
            folders.sort()
            for name in sorted(names):
                file = Path(folder) / name
                if file.is_symlink() or not file.is_file():
                    continue
                within = file.relative_to(work).as_posix()
                if file.stat().st_size > _LARGEST_FILE:
                    left_out.append(within)
                    continue
                archive.write(file, within)
        runs = [run for one in done for run in one.result.runs]
        kit = {"schema": SCHEMA, **about, "left_out": left_out, "steps": [one.to_dict() for one in done], "runs": runs}
        archive.writestr(KIT, json.dumps(kit, indent=1))
    return left_out


def read_runs(path: Path) -> list[Ran]:
    """The runs that an archive tells of; BadInputError for one that is none. Nothing but `kit.json` is looked at, and
    nothing is unpacked.
    """
    try:
        return runs_of(json.loads(_kit(path)), _MOST_RUNS)
    except (
        ValueError,
        OSError,
        RecursionError,
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        NotImplementedError,
    ) as error:
        raise BadInputError(f"{path} is no archive of make gpu: {error}.") from error
    except (EOFError, RuntimeError, OverflowError, zlib.error) as error:
        raise BadInputError(f"{path} is a damaged archive: {error}.") from error


def _kit(path: Path) -> str:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_ARCHIVE:
        raise ValueError(f"it has to be a file of at most {_LARGEST_ARCHIVE >> 20} MiB")
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > _MOST_MEMBERS:
            raise ValueError(f"it has {len(members)} members, more than {_MOST_MEMBERS}")
        found = [member for member in members if member.filename == KIT]
        if len(found) != 1:
            raise ValueError(f"it has {len(found)} members {KIT}")
        with archive.open(found[0]) as stream:
            content = stream.read(_LARGEST_KIT + 1)
    if len(content) > _LARGEST_KIT:
        raise ValueError(f"its {KIT} is larger than {_LARGEST_KIT >> 20} MiB")
    return content.decode()
