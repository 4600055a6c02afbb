"""Certificates that sign themselves, for servers and clients of the tests."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def certificate(folder: Path, name: str, *more: str) -> None:
    """Makes NAME.key and NAME.pem, good for two days; skips the test where openssl is missing. more: its words."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl that makes certificates")
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
    subprocess.run([openssl, *made, *files, "-subj", f"/CN={name}", *more], check=True, capture_output=True)
