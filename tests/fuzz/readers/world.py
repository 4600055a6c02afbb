"""A finished run to mutate, with checksums that hold again, and whole again behind each reader."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seatrial.files import value_digest


def world(root: Path) -> Path:
    """A folder with a model, images and a finished run of four targets and kinds; made once."""
    folder = root / "world"
    if not (folder / "whole").is_dir():
        _make_world(folder)
    return folder


def _make_world(folder: Path) -> None:
    from conftest import bench, make_folders, make_model
    from quick_timing import time_quickly

    time_quickly()
    folder.mkdir(exist_ok=True)
    make_model(folder / "m.onnx")
    make_folders(folder / "test", images=3)
    make_folders(folder / "calib", images=3, seed=1)
    words = ["--model", folder / "m.onnx", "--data", folder / "test", "--calib", folder / "calib", "--size", "16"]
    words += ["--engine", "onnxruntime", "--bits", "8", "--conditions", "clean", "--conditions", "corruption/fog@2"]
    words += ["--conditions", "attack/fgsm-linf@8", "--advisory", "--limit", "8", "--out", folder / "whole"]
    done = bench(list(map(str, words)))
    assert done.returncode == 0, done.stderr
    shutil.copytree(folder / "whole", folder / "run")


def in_run(name: str) -> dict[str, Any]:
    return {
        "samples": lambda root: [sorted((world(root) / "whole").glob(name))[0].read_bytes()],
        "place": lambda root: sorted((world(root) / "run").glob(name) or (world(root) / "whole").glob(name))[0],
    }


def sealed_values(path: Path, content: bytes) -> bytes:
    """JSON values of a run directory, whoever wrote them, with the checksum that is theirs."""
    found = json.loads(content)
    found.pop("sha256", None)
    return json.dumps({**found, "sha256": value_digest(found)}).encode()


def sealed_table(path: Path, content: bytes) -> bytes:
    """The same of Parquet."""
    import pyarrow.parquet as pq

    from seatrial.harness.records.checked import write_tables

    written = path.with_name(f".sealed-{os.getpid()}")
    try:
        file = pq.ParquetFile(io.BytesIO(content))
        groups = [file.read_row_group(at) for at in range(file.metadata.num_row_groups)]
        write_tables(written, file.schema_arrow, groups)
        return written.read_bytes()
    finally:
        written.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_again(path: Path) -> Iterator[Path]:
    """The run's folder; what was read of it becomes again what it was."""
    run = path.parent if path.parent.name == "run" else path.parent.parent
    try:
        yield run
    finally:
        for one in (run.parent / "whole").rglob("*"):
            there = run / one.relative_to(run.parent / "whole")
            if one.is_file() and (not there.is_file() or there.stat().st_mtime_ns != one.stat().st_mtime_ns):
                shutil.copy2(one, there)
