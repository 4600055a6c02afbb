"""The demo's images as a data source."""

from __future__ import annotations

import contextlib
from pathlib import Path

from seatrial.files import disk_errors
from seatrial.harness.demo import ensure_demo_data
from seatrial.harness.progress import Progress, Update


def demo_folders(root: Path, progress: Progress) -> tuple[Path, Path]:
    """Class folders (test, calibration) below `root`, rendered on first use; UsageError where the disk refuses."""
    with disk_errors(root), contextlib.ExitStack() as stack:
        update: Update | None = None

        def report(done: int, total: int) -> None:
            nonlocal update
            if update is None:
                update = stack.enter_context(progress.stage("Rendering the demo's photographs", total))
            update(done)

        return ensure_demo_data(root, progress=report)
