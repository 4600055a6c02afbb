"""Whether a JPEG file is all there: some decoders fill what is missing with gray and say nothing."""

from __future__ import annotations

import re

_END, _SCAN = 0xD9, 0xDA
# In the entropy-coded data of a scan 0xFF is followed by 0 or by a restart marker; 0xFF before a marker is padding.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# Markers without a length: TEM, RST0 to RST7, SOI.
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))


def is_whole(content: bytes) -> bool:
    """True where the first picture of a JPEG file reaches its end marker (ISO/IEC 10918-1, annex B).

    >>> scan = bytes.fromhex("ffd8 ffda 0002 55 ff00 55 ffd0 55")
    >>> is_whole(scan), is_whole(scan + bytes.fromhex("ffd9"))
    (False, True)
    """
    place = 2
    while (found := _MARKER.search(content, place)) is not None:
        marker, place = content[found.end() - 1], found.end()
        if marker == _END:
            return True
        if marker not in _ALONE:
            place += int.from_bytes(content[place : place + 2], "big")
    return False
