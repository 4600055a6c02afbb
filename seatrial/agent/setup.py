"""Makes the board's environment: a virtual one of its own, filled by pip; and takes all of it away again."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.agent import interpreter

Note = Callable[[str], None]

HOME = Path.home() / ".local" / "share" / "seatrial"
ENVIRONMENT = HOME / "venv"
# What was asked of it lies in it, so that the same again has nothing to do.
_ASKED = "seatrial.json"
_LAST_LINES = 12
_LINE = 300
# pip's words for an index that is not reached; it then finds no version of anything.
_NO_INDEX = re.compile(
    r"NewConnectionError|ConnectTimeoutError|ReadTimeoutError|Temporary failure in name resolution|Connection refused|"
    r"Network is unreachable|connection broken|from versions: none|ProxyError|SSLError"
)
_WHEEL = re.compile(r"[A-Za-z0-9_.!+-]{1,200}\.whl")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Failed(Exception):  # noqa: N818
    """What went wrong; kind: `environment`, `index` where none is reached, or `pip`."""

    def __init__(self, kind: str, says: str) -> None:
        super().__init__(says)
        self.kind = kind


def setup(message: Mapping[str, Any], note: Note) -> dict[str, Any]:
    """One step of it: `look`, `install` or `remove`. What fails is an answer, too: `failed`, a kind, and `says`."""
    steps: Mapping[str, Callable[[Mapping[str, Any], Note], dict[str, Any]]] = {
        "look": _look,
        "install": _install,
        "remove": _remove,
    }
    step = steps.get(str(message.get("step")))
    if step is None:
        raise ValueError(f"setup has no step {message.get('step')!r}")
    try:
        return step(message, note)
    except Failed as error:
        return {"failed": error.kind, "says": str(error)}
    except OSError as error:
        return {"failed": "environment", "says": f"{error.filename or ENVIRONMENT}: {error.strerror or error}"}


def _look(message: Mapping[str, Any], note: Note) -> dict[str, Any]:
    return {
        "interpreter": interpreter.describe(),
        "environment": environment(),
        "free_bytes": shutil.disk_usage(_there(HOME)).free,
        "cache_bytes": _size(_cache()),
        "time": time.time(),
    }


def environment() -> dict[str, Any] | None:
    """What setup has made: path, packages (name -> version), bytes, and what was asked of it; None where there is
    none, or one that no Python of the system runs any more.
    """
    if not (ENVIRONMENT / "bin" / "python").exists():  # false for a link to what is gone, too
        return None
    asked: Any = {}
    with contextlib.suppress(OSError, ValueError):
        asked = json.loads((ENVIRONMENT / _ASKED).read_text(encoding="utf-8"))
    return {
        "path": str(ENVIRONMENT),
        "packages": _packages(),
        "bytes": _size(ENVIRONMENT),
        "asked": asked if isinstance(asked, dict) else {},
    }


def _install(message: Mapping[str, Any], note: Note) -> dict[str, Any]:
    wanted = [_word(one) for one in message["requirements"]]
    seen = bool(message["system_site_packages"])
    deadline = time.monotonic() + float(message["timeout_s"])
    begin = time.monotonic()
    before = _packages()
    with _wheels(message.get("wheels")) as folder:
        pip = _make(seen, folder, note, deadline)
        note(f"pip installs {', '.join(wanted)}")
        index = bool(message["index"])
        where = [] if index else ["--no-index", *(["--find-links", str(folder)] if folder else [])]
        try:
            _run([*pip, *_PIP, *where, *wanted], deadline)
        except Failed as error:
            raise Failed("index" if index and _NO_INDEX.search(str(error)) else "pip", str(error)) from error
    asked = {"requirements": wanted, "system_site_packages": seen, "python": _of_python()}
    _write(ENVIRONMENT / _ASKED, json.dumps(asked))
    after = _packages()
    return {
        "environment": environment(),
        "changed": {name: version for name, version in after.items() if before.get(name) != version},
        "seconds": time.monotonic() - begin,
    }


_PIP = (
    *("install", "--disable-pip-version-check", "--no-input", "--no-cache-dir", "--progress-bar", "off"),
    *("--only-binary=:all:", "--retries", "1", "--timeout", "15"),
)


def _make(seen: bool, folder: Path | None, note: Note, deadline: float) -> list[str]:
    """Makes the environment where it is not there, or not of this Python; the command that is its pip."""
    python = str(ENVIRONMENT / "bin" / "python")
    bundled = None if folder is None else next(folder.glob("pip-*.whl"), None)
    made = environment()
    fits = made is not None and made["asked"].get("python", _of_python()) == _of_python()
    if not fits or (made is not None and made["asked"].get("system_site_packages", seen) != seen):
        note(f"an environment is made in {ENVIRONMENT}")
        HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = [*(["--system-site-packages"] if seen else []), *([] if bundled is None else ["--without-pip"])]
        try:
            _run([interpreter.base(), "-m", "venv", "--clear", *options, str(ENVIRONMENT)], deadline)
        except Failed:
            shutil.rmtree(ENVIRONMENT, ignore_errors=True)
            raise
    # A wheel of pip is a program as it is; what it installs goes to the Python that runs it.
    return [python, "-m", "pip"] if bundled is None else [python, f"{bundled}/pip"]


@contextlib.contextmanager
def _wheels(named: Any) -> Any:
    """A folder of the wheels that were sent, by their names; named: name -> SHA-256, None where none were."""
    if named is None:
        yield None
        return
    blobs = _cache() / "blobs"
    with tempfile.TemporaryDirectory(prefix="wheels-", dir=_made(_cache())) as folder:
        for name, digest in dict(named).items():
            if not _WHEEL.fullmatch(name) or not _SHA256.fullmatch(digest):
                raise ValueError(f"{name!r} is no wheel")
            content = (blobs / digest).read_bytes()
            if hashlib.sha256(content).hexdigest() != digest:
                raise Failed("environment", f"{name} was damaged on its way or on the board's disk. Run setup again.")
            (Path(folder) / name).write_bytes(content)
        yield Path(folder)


def _remove(message: Mapping[str, Any], note: Note) -> dict[str, Any]:
    freed = 0
    for folder in (HOME, _cache()):
        freed += _size(folder)
        note(f"{folder} is removed")
        _clear(folder)
    return {"removed": [str(HOME), str(_cache())], "bytes": freed}


def _clear(folder: Path) -> None:
    """Removes a folder; of one that is a link to another disk, what is in it."""
    if not folder.is_dir():
        return
    if not folder.is_symlink():
        shutil.rmtree(folder)
        return
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _run(command: Sequence[str], deadline: float) -> None:
    """Runs a command in a group of its own, which is ended at the deadline; Failed where it does not succeed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    process = subprocess.Popen(  # noqa: S603  (the board's own Python, without a shell)
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**environment, "LC_ALL": "C.UTF-8"},
    )
    try:
        wrote, _ = process.communicate(timeout=max(1.0, deadline - time.monotonic()))
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise Failed("pip", f"{Path(command[0]).name} took longer than it may.") from error
        raise
    if process.returncode != 0:
        lines = [line[:_LINE] for line in wrote.decode(errors="replace").splitlines() if line.strip()]
        raise Failed("environment", "\n".join(lines[-_LAST_LINES:]) or f"exit status {process.returncode}")


def _packages() -> dict[str, str]:
    found: dict[str, str] = {}
    for folder in (ENVIRONMENT / "lib").glob("python3*/site-packages"):
        for one in importlib.metadata.distributions(path=[str(folder)]):
            name = one.metadata["Name"]
            if name and name not in ("pip", "setuptools", "wheel"):
                found[str(name)] = one.version
    return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))


def _of_python() -> str:
    version = interpreter.describe()["version"]
    return f"{version[0]}.{version[1]}"


def _word(text: Any) -> str:
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9][ -~]{0,200}", text):
        raise ValueError(f"{text!r} is no requirement")
    return text


def _cache() -> Path:
    return Path.home() / ".cache" / "seatrial"


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _there(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _size(folder: Path) -> int:
    """Bytes of the files below a folder; links are not followed."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(where, name)).st_size  # noqa: PTH118  (many files: no Path for each)
    return total
