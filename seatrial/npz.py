"""Arrays out of an .npz archive that may be anything: all of them, or a ValueError."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# An array of zeros packs to a thousandth; more than that is what is made to fill the memory.
_MOST_RATIO = 2000


def arrays_of(content: bytes | bytearray) -> dict[str, Array]:
    """Name -> array, nothing unpickled; ValueError for what is no such archive, also one that claims to hold far more
    than its bytes can.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MOST_RATIO * max(len(content), 1 << 10):
                raise ValueError("it unfolds to more than there can be")
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except Exception as error:  # NumPy lets tokenize and ast errors of a hostile header through, zipfile its own
        raise ValueError(f"no archive of arrays: {error}") from error
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError("no archive of arrays: a member is none")
    return arrays
