"""OpenCV without Intel's IPP.

The x86 wheels of OpenCV call IPP for some functions, which then give other values than OpenCV's own code, and others
again on older processors; other builds have no IPP.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import cv2


@contextlib.contextmanager
def without_ipp() -> Iterator[None]:
    """Within it, OpenCV runs its own code in this thread."""
    before = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)
    try:
        yield
    finally:
        cv2.ipp.setUseIPP(before)
