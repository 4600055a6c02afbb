"""Images behind a URL: class folders or an .npz archive on any file system that fsspec knows, fetched as needed.

What was fetched is kept in the cache, by what the file system says of the file's version: on another machine only what
it asks for is fetched, and the second run fetches nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.cache import cache_root
from seatrial.errors import BadInputError
from seatrial.files import replacing
from seatrial.harness.data.arrays import ArraySource
from seatrial.harness.data.folder import IMAGE_SUFFIXES, MAX_IMAGE_BYTES, FolderSource
from seatrial.harness.data.labels import LabelOf, offset_of
from seatrial.harness.data.relabelled import RelabelledSource
from seatrial.harness.data.source import DataSource
from seatrial.packages import need
from seatrial.text import printable

INSTALL = "pip install 'seatrial[remote]', and the file system's own package, such as s3fs or gcsfs"
# What file systems call that which changes with a file's content.
_VERSIONS = ("ETag", "etag", "md5Hash", "content_md5", "generation", "version_id", "CRC", "mtime", "LastModified",
             "last_modified", "modified", "updated", "date_time", "created")  # fmt: skip


def is_url(where: str) -> bool:
    """True for `SCHEME://...`; a scheme has two letters at least, as C: is a drive."""
    scheme, _, rest = where.partition(":")
    return len(scheme) > 1 and rest.startswith("//")


def open_url(url: str, classes: int, label_of: LabelOf) -> DataSource:
    """Class folders, or an .npz archive, as `open_source`. PackageError where fsspec, or what it needs for the scheme,
    is missing; BadInputError where nothing can be read there.
    """
    fsspec = need("fsspec", "--data URL", INSTALL)
    with _told(url):
        remote, root = fsspec.core.url_to_fs(url)
        found = remote.info(root)
    if found["type"] == "file":
        if not root.lower().endswith(".npz"):
            raise BadInputError(f"{printable(url)} is neither a folder of class folders nor an .npz archive.")
        offset, path = offset_of(label_of), _fetched(remote, url, root, found)
        source = ArraySource(path, classes - offset)
        return RelabelledSource(source, source.labels + offset) if offset else source
    return RemoteFolder(url, remote, root, label_of)


class RemoteFolder(FolderSource):
    """Class folders behind a URL. An image's id is its path below it, as in FolderSource."""

    def __init__(self, url: str, remote: Any, root: str, label_of: LabelOf) -> None:
        """remote: an fsspec file system; root: the folder there. Lists the images; BadInputError for what is no such
        folder.
        """
        self._by_content, self._written = True, {}
        self._url, self._remote, self.name = url.rstrip("/"), remote, root.rstrip("/").rpartition("/")[2]
        with _told(url):
            self._infos = _listed(remote, root.rstrip("/"), self._url)
        self.ids = sorted(self._infos)
        label = label_of(sorted({name.partition("/")[0] for name in self.ids}))
        self.labels: npt.NDArray[np.int64] = np.array([label[name.partition("/")[0]] for name in self.ids], np.int64)

    def _where(self, index: int) -> str:
        return f"{self._url}/{self.ids[index]}"

    @contextlib.contextmanager
    def _reading(self, index: int) -> Iterator[Path]:
        info, where = self._infos[self.ids[index]], self._where(index)
        with _told(where):
            path = _fetched(self._remote, where, str(info["name"]), info)
        yield path


def _listed(remote: Any, root: str, url: str) -> dict[str, Mapping[str, Any]]:
    """Path below the folder -> what the file system says of it; BadInputError where one is no image of a class."""
    found: dict[str, Mapping[str, Any]] = {}
    for full, info in remote.find(root, detail=True).items():
        name = str(full).removeprefix(root).strip("/")
        parts = name.split("/")
        shown = printable(f"{url}/{name}")
        if any(part.startswith(".") and part not in (".", "..") for part in parts):
            continue
        if not str(full).startswith(f"{root}/") or any(part in ("", ".", "..") for part in parts) or "\\" in name:
            raise BadInputError(f"{shown} is no path below {printable(url)}.")
        if len(parts) < 2:
            raise BadInputError(f"{shown} lies beside the class folders; move it away.")
        if not name.lower().endswith(IMAGE_SUFFIXES):
            raise BadInputError(
                f"{shown} lies among the images but is none by its name ({', '.join(IMAGE_SUFFIXES)}). Move it away."
            )
        if info.get("type") != "file" or info.get("islink"):
            raise BadInputError(f"{shown} lies among the images but is no regular file. Move it away.")
        if int(info.get("size") or 0) > MAX_IMAGE_BYTES:
            raise BadInputError(f"{shown} is above 256 MiB: not a photograph.")
        found[name] = info
    if not found:
        raise BadInputError(f"{printable(url)} holds no images in class folders: URL/CLASS/IMAGE.jpg.")
    return found


def _fetched(remote: Any, url: str, full: str, info: Mapping[str, Any]) -> Path:
    """The file here: fetched now, or before."""
    version = {name: str(info[name]) for name in (*_VERSIONS, "size") if info.get(name) is not None}
    if len(version) < 2:
        raise BadInputError(
            f"{printable(url)}: {type(remote).__name__} does not say when a file was changed, so nobody would notice. "
            "Copy the images to a folder."
        )
    key = hashlib.sha256(json.dumps([url, version], sort_keys=True).encode()).hexdigest()
    path = cache_root() / "remote" / key[:2] / (key + Path(full).suffix.lower())
    if not path.exists():
        with replacing(path) as temporary:
            remote.get_file(full, str(temporary))
    return path


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    """File systems raise whatever their libraries do."""
    try:
        yield
    except BadInputError:
        raise
    except Exception as error:
        says = printable(" ".join(str(error).split()) or type(error).__name__)[:300]
        raise BadInputError(
            f"{printable(url)} cannot be read: {says}. Check --data and --calib, and: {INSTALL}."
        ) from error
