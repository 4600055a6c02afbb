"""Makes the board's environment: a virtual one of its own, filled by pip; and takes all of it away again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.agent import environment, interpreter
from seatrial.agent.fields import seconds, text
from seatrial.agent.jobs import Job
from seatrial.agent.refusals import BAD_ASK, DAMAGED, REFUSED, RefusedError, told

# Of an error's kind: its pip reached no index, so that the host may fetch what is wanted.
NO_INDEX = "no index"
_LAST_LINES = 12
_LONGEST_LINE = 300
_MOST_WORDS = 200
# pip's words for an index that is not reached; it then finds no version of anything.
_UNREACHED = re.compile(
    r"NewConnectionError|ConnectTimeoutError|ReadTimeoutError|Temporary failure in name resolution|Connection refused|"
    r"Network is unreachable|connection broken|from versions: none|ProxyError|SSLError"
)
_REQUIREMENT = re.compile(r"[A-Za-z0-9][!-~]{0,200}")
_WHEEL = re.compile(r"[A-Za-z0-9_.!+-]{1,200}\.whl")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PIP = (
    *("install", "--disable-pip-version-check", "--no-input", "--no-cache-dir", "--progress-bar", "off"),
    *("--only-binary=:all:", "--retries", "1", "--timeout", "15"),
)


def setup(job: Job) -> Mapping[str, Any]:
    """A step of it: `look`, `install` or `remove`."""
    steps: Mapping[str, Callable[[Job], Mapping[str, Any]]] = {"look": _look, "install": _install, "remove": _remove}
    name = text(job.fields, "step", 64)
    if name not in steps:
        raise RefusedError(BAD_ASK, f"Setup has no step {name!r}.")
    with told(environment.home()):
        return steps[name](job)


def _look(job: Job) -> Mapping[str, Any]:
    return {
        "interpreter": interpreter.describe(),
        "environment": environment.describe(),
        "free_bytes": shutil.disk_usage(_there(environment.home())).free,
        "cache": {"path": str(job.cache), **environment.sizes(job.cache)},
        "time": time.time(),
    }


def _install(job: Job) -> Mapping[str, Any]:
    """requirements: what pip is told. system_site_packages: whether the environment sees the system's packages. index:
    whether pip asks its index; wheels: name -> SHA-256 of those that were sent. seconds: how long it may take.
    """
    wanted, seen, index = _words(job), job.fields.get("system_site_packages") is True, job.fields.get("index") is True
    begin = time.monotonic()
    end = begin + seconds(job.fields, "seconds")
    before = environment.packages()
    with _wheels(job) as wheels:
        pip = _make(job, seen, wheels, end)
        job.note(f"pip installs {', '.join(wanted)}")
        where = [*([] if index else ["--no-index"]), *([] if wheels is None else ["--find-links", str(wheels)])]
        _run(job, [*pip, *_PIP, *where, *wanted], end, NO_INDEX if index else REFUSED)
    environment.remember({"requirements": wanted, "system_site_packages": seen, "python": _version()})
    after = environment.packages()
    return {
        "environment": environment.describe(),
        "changed": {name: version for name, version in after.items() if before.get(name) != version},
        "seconds": time.monotonic() - begin,
    }


def _make(job: Job, seen: bool, wheels: Path | None, end: float) -> list[str]:
    """Makes the environment where it is not there, or another one than is asked for; the command that is its pip."""
    bundled = None if wheels is None else next(wheels.glob("pip-*.whl"), None)
    made = environment.describe()
    asked = {} if made is None else made["asked"]
    if made is None or (asked.get("python"), asked.get("system_site_packages")) != (_version(), seen):
        job.note(f"an environment is made in {environment.folder()}")
        environment.home().mkdir(mode=0o700, parents=True, exist_ok=True)
        options = [*(["--system-site-packages"] if seen else []), *([] if bundled is None else ["--without-pip"])]
        try:
            command = [interpreter.base(), "-m", "venv", "--clear", *options, str(environment.folder())]
            _run(job, command, end, REFUSED)
        except RefusedError:
            shutil.rmtree(environment.folder(), ignore_errors=True)
            raise
    environment.forget()
    python = str(environment.python())
    # A wheel of pip is a program as it is; what it installs goes to the Python that runs it.
    return [python, "-m", "pip"] if bundled is None else [python, f"{bundled}/pip"]


@contextlib.contextmanager
def _wheels(job: Job) -> Iterator[Path | None]:
    """A folder of the wheels that were sent, by their names; None where none were. They are not kept."""
    named = job.fields.get("wheels")
    if named is None:
        yield None
        return
    if not isinstance(named, dict) or len(named) > _MOST_WORDS:
        raise RefusedError(BAD_ASK, "These are no wheels.")
    with tempfile.TemporaryDirectory(prefix="wheels-", dir=job.cache) as made:
        for name, digest in named.items():
            if not _WHEEL.fullmatch(name) or not isinstance(digest, str) or not _SHA256.fullmatch(digest):
                raise RefusedError(BAD_ASK, f"{name!r:.80} is no wheel.")
            content = job.blob(digest).read_bytes()
            if hashlib.sha256(content).hexdigest() != digest:
                raise RefusedError(DAMAGED, f"{name} was damaged on the board's disk.")
            (Path(made) / name).write_bytes(content)
        yield Path(made)
    for digest in named.values():
        job.blob(digest).unlink(missing_ok=True)


def _remove(job: Job) -> Mapping[str, Any]:
    freed = 0
    places = (environment.home(), job.cache)
    for place in places:
        freed += environment.sizes(place)["bytes"]
        job.note(f"{place} is removed")
        _clear(place)
    return {"removed": [str(place) for place in places], "bytes": freed}


def _clear(place: Path) -> None:
    """Removes a folder; of one that is a link to another disk, what is in it."""
    if not place.is_dir():
        return
    if not place.is_symlink():
        shutil.rmtree(place)
        return
    for entry in place.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _run(job: Job, command: Sequence[str], end: float, unreached: str) -> None:
    """RefusedError where it does not succeed. unreached: its kind where no package index is reached."""
    # Another Python's variables would lead this one astray.
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    ran = job.run(command, environment={**variables, "LC_ALL": "C.UTF-8"}, timeout_s=max(1.0, end - time.monotonic()))
    if ran.status != 0:
        lines = [line[:_LONGEST_LINE] for line in ran.output.splitlines() if line.strip()]
        says = "\n".join(lines[-_LAST_LINES:]) or f"{command[0]} ended with exit status {ran.status}"
        raise RefusedError(unreached if _UNREACHED.search(ran.output) else REFUSED, says)


def _words(job: Job) -> list[str]:
    wanted = job.fields.get("requirements")
    if not isinstance(wanted, list) or len(wanted) > _MOST_WORDS:
        raise RefusedError(BAD_ASK, "These are no requirements.")
    for one in wanted:
        if not isinstance(one, str) or not _REQUIREMENT.fullmatch(one):
            raise RefusedError(BAD_ASK, f"{one!r:.80} is no requirement.")
    return wanted


def _version() -> str:
    version = interpreter.describe()["version"]
    return f"{version[0]}.{version[1]}"


def _there(place: Path) -> Path:
    while not place.exists():
        place = place.parent
    return place
