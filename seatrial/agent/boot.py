"""The first text that a board runs, before anything of ours is there: the host sends it (`agent.command`).

It is read as text and never imported, imports nothing of ours, and is understood by every Python 3, so that one which
is too old can be told. Lines of JSON go to and fro, the board's with MAGIC before them:

- host: {"digest", "size"}, SHA-256 and length of the archive, a zip.
- board: {"boot": 1, "have", "python": [3, 11, 2], "executable", "says"}; with words in `says` it ends there.
- host, unless the board has it: the archive.
- board: {"started", "says"}; with words in `says` it ends there, else frames follow (`agent.frames`).

The archive is unpacked, so that Python keeps its bytecode, and checked against its manifest whenever it is used.
"""

import sys

sys.path[:] = [entry for entry in sys.path if entry]  # nothing is imported from the folder that we stand in

import fcntl  # noqa: E402
import hashlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
from pathlib import Path, PurePosixPath  # noqa: E402

MAGIC = b"seatrial boot "
OLDEST = (3, 10)
MOST_LINE = 1 << 12
MOST_ARCHIVE = 16 << 20
MOST_UNPACKED = 64 << 20
MANIFEST = "manifest"


class RefusedError(Exception):
    """What is told to the host in words."""


def exactly(size: int) -> bytes:
    """So many bytes from the host; ends this process where it is gone."""
    found = bytearray()
    while len(found) < size:
        piece = os.read(0, min(size - len(found), 1 << 16))
        if not piece:
            os._exit(0)
        found += piece
    return bytes(found)


def line() -> bytes:
    """The host's next line, read byte by byte: what follows it is not ours."""
    found = b""
    while len(found) < MOST_LINE:
        found += exactly(1)
        if found.endswith(b"\n"):
            return found
    raise RefusedError("The host's line has no end.")


def say(**fields: object) -> None:
    """One line to the host, on a line of its own whatever was printed before."""
    left = b"\n" + MAGIC + json.dumps(fields).encode() + b"\n"
    while left:
        left = left[os.write(1, left) :]


def cache() -> Path:
    """As `seatrial.cache.cache_root`."""
    chosen = os.environ.get("SEATRIAL_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "seatrial"


def own_folder(folder: Path) -> Path:
    """The folder, made where it is not there; nobody else may write into it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise RefusedError(str(folder) + " is a link, or others may write there: remove it.")
    return folder


def hold(folder: Path) -> None:
    """Marks a folder as used for the life of this process: other agents do not remove it."""
    handle = os.open(str(folder), os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)


def digest_of(content: bytes) -> str:
    """SHA-256, as hex."""
    return hashlib.sha256(content).hexdigest()


def is_whole(folder: Path) -> bool:
    """True where every file is what it was when it was unpacked, and none came in addition."""
    try:
        hold(folder)
        checksum, _, text = (folder / MANIFEST).read_bytes().partition(b"\n")
        if checksum.decode() != digest_of(text):
            return False
        expected = json.loads(text.decode())
        found = [path for path in folder.rglob("*") if "__pycache__" not in path.parts and not path.is_dir()]
        found.remove(folder / MANIFEST)
        sums = {str(path.relative_to(folder)): digest_of(path.read_bytes()) for path in found if not path.is_symlink()}
        return bool(sums == expected and len(found) == len(expected))
    except (OSError, ValueError):
        return False


def unpack(content: bytes, folder: Path) -> None:
    """Puts the archive in the place of whatever is there, whole or not at all."""
    import io
    import shutil
    import zipfile

    mine = folder.with_name(".tmp-" + str(os.getpid()))
    old = folder.with_name(".tmp-" + str(os.getpid()) + "-old")
    sums = {}
    try:
        mine.mkdir(mode=0o700)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MOST_UNPACKED:
                raise RefusedError("The archive is larger than any of ours.")
            for entry in archive.infolist():
                name = PurePosixPath(entry.filename)
                if name.is_absolute() or ".." in name.parts or name.parts[0] != "seatrial" or name.suffix != ".py":
                    raise RefusedError("The archive holds " + ascii(entry.filename) + ".")
                text = archive.read(entry)
                (mine / name.parent).mkdir(parents=True, exist_ok=True)
                (mine / name).write_bytes(text)
                sums[str(name)] = digest_of(text)
        manifest = json.dumps(sums).encode()
        (mine / MANIFEST).write_bytes(digest_of(manifest).encode() + b"\n" + manifest)
        if folder.is_symlink() or folder.exists():
            folder.replace(old)
        mine.replace(folder)
        hold(folder)
    except (zipfile.BadZipFile, NotImplementedError, IndexError) as error:
        raise RefusedError("The archive is none: " + str(error) + ".") from error
    finally:
        for left in (mine, old):
            if left.is_symlink():
                left.unlink()
            shutil.rmtree(str(left), ignore_errors=True)


def archive_in_place(asked: "dict[str, object]") -> Path:
    """The folder with the archive that the host asked for, sent by it where it is not there."""
    digest, size = str(asked["digest"]), int(str(asked["size"]))
    if len(digest) != 64 or set(digest) - set("0123456789abcdef") or not 0 < size <= MOST_ARCHIVE:
        raise RefusedError("The host's line is none of ours.")
    folder = own_folder(cache() / "agents") / digest
    have = is_whole(folder)
    say(boot=1, have=have, python=list(sys.version_info[:3]), executable=sys.executable, says=None)
    if not have:
        content = exactly(size)
        if digest_of(content) != digest:
            raise RefusedError("What arrived is not what was sent: its SHA-256 is another.")
        unpack(content, folder)
    os.utime(str(folder))
    return folder


def boot() -> None:
    """Answers the host, and becomes the agent."""
    asked = line()
    if sys.version_info < OLDEST:
        found = ".".join(str(number) for number in sys.version_info[:3])
        says = sys.executable + " is Python " + found + ", and seatrial needs 3.10 or newer."
        say(boot=1, have=False, python=list(sys.version_info[:3]), executable=sys.executable, says=says)
        return
    try:
        folder = archive_in_place(json.loads(asked.decode()))
        sys.path.insert(0, str(folder))
        from seatrial.agent.main import main
    except OSError as error:
        say(started=False, says="Cannot write " + str(error.filename or cache()) + ": " + str(error.strerror) + ".")
    except RefusedError as error:
        say(started=False, says=str(error))
    except Exception as error:  # whatever it is, the host is to know
        say(started=False, says=type(error).__name__ + ": " + str(error))
    else:
        say(started=True, says=None)
        main(folder.name, str(cache()))


if __name__ == "__main__":
    boot()
