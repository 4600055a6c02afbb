"""Class folders, torchvision's ImageFolder layout: ROOT/CLASS/.../IMAGE."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seatrial.errors import BadInputError
from seatrial.files import file_digest, is_special, read_bytes
from seatrial.harness.data.labels import LabelOf
from seatrial.harness.data.source import Payload, changed, content_digest

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".webp", ".tif", ".tiff")
# An encoded photograph is a few MB; what is larger is not read into memory.
MAX_IMAGE_BYTES = 256 << 20


class FolderSource:
    """Images below one folder per class. An image's id is its path below the root, with `/` on every system.

    Files and folders whose names begin with a dot are left out; every other file must be an image. Links below the root
    are refused.
    """

    encoded = True
    image_size = None

    def __init__(self, root: Path, label_of: LabelOf, *, by_content: bool = True) -> None:
        """Lists the images; raises BadInputError for what is not such a folder.

        label_of: folder names -> class index of each. by_content: whether digests are of the files' bytes; else of
        their sizes, for sets that are too large to be read twice.
        """
        self._by_content = by_content
        self._written: dict[int, int] = {}
        self.root = root
        self.name = root.name
        folders = [entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith(".")]
        if not folders:
            raise BadInputError(
                f"{root} has no class folders, so nobody knows what its images show; expected "
                f"{root / 'CLASS' / 'IMAGE.jpg'}, each folder named by its class's name, synset or index. Only a run, "
                "diff and --calib take images without labels."
            )
        strays = [entry.name for entry in os.scandir(root) if not entry.is_dir() and not entry.name.startswith(".")]
        if strays:
            raise BadInputError(
                f"{root / min(strays)} lies beside the class folders; move it away. If the folders are no classes, "
                "a run with --unlabelled asks about all images below, without labels."
            )
        label = label_of(folders)
        self.ids: list[str] = []
        labels: list[int] = []
        for folder in sorted(folders):
            _refuse_link(root / folder)
            found = sorted(images_below(root, root / folder))
            self.ids.extend(found)
            labels.extend([label[folder]] * len(found))
        if not self.ids:
            raise BadInputError(f"{root} holds no images in its {len(folders)} class folders.")
        self.labels: npt.NDArray[np.int64] = np.array(labels, np.int64)

    def digests(self, indices: Sequence[int]) -> Iterator[tuple[int, str]]:
        """SHA-256 of each file, or its size."""
        for position, index in enumerate(indices):
            with self._reading(index) as path:
                found = path.stat()
                self._written[index] = found.st_mtime_ns
                yield position, file_digest(path) if self._by_content else f"{found.st_size} bytes"

    def digest(self, payload: Payload) -> str:
        """SHA-256 of its bytes, or their number."""
        return content_digest(payload) if self._by_content else f"{len(payload.content)} bytes"

    def stream(self, indices: Sequence[int]) -> Iterator[tuple[int, Payload]]:
        """Reads the encoded files in the order asked for; BadInputError for one that is gone. Of one whose size stands
        for its content, also where it was written to since.
        """
        for position, index in enumerate(indices):
            with self._reading(index) as path:
                payload = Payload(self._where(index), read_bytes(path))
                written = self._written.get(index)
                if not self._by_content and written not in (None, path.stat().st_mtime_ns):
                    raise changed(payload.where)
            yield position, payload

    def _where(self, index: int) -> str:
        return str(self.root / self.ids[index])

    @contextlib.contextmanager
    def _reading(self, index: int) -> Iterator[Path]:
        path = self.root / self.ids[index]
        try:
            yield path
        except OSError as error:
            raise BadInputError(f"{path} cannot be read any more: {error.strerror}.") from error


def images_below(root: Path, folder: Path) -> Iterator[str]:
    """The path below `root` of every image in `folder`, at any depth; BadInputError for links and for other files."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            _refuse_link(Path(parent) / name)
        for name in files:
            if name.startswith("."):
                continue
            path = Path(parent) / name
            _refuse_link(path)
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                raise BadInputError(
                    f"{path} lies among the images but is none by its name ({', '.join(IMAGE_SUFFIXES)}). Move it away."
                )
            status = path.stat()
            kind = is_special(status)
            if kind is not None:
                raise BadInputError(f"{path} lies among the images but is {kind}. Move it away.")
            if status.st_size > MAX_IMAGE_BYTES:
                raise BadInputError(f"{path} is above 256 MiB: not a photograph.")
            yield path.relative_to(root).as_posix()


def _refuse_link(path: Path) -> None:
    # A data set that was unpacked from an archive may point anywhere.
    if path.is_symlink():
        raise BadInputError(f"{path} is a link, which may lead out of the data folder; copy what it points to instead.")
