"""What a resize filter is."""

from __future__ import annotations

from collections.abc import Callable

from seatrial.harness.data.source import Pixels

# (uint8 [H, W, 3], (height, width)) -> uint8 [height, width, 3]
Filter = Callable[[Pixels, tuple[int, int]], Pixels]
