"""A Python of another processor: the one that runs the tests, under QEMU's user-mode emulator."""

from __future__ import annotations

import shutil
import stat
import sys
from pathlib import Path

EMULATOR = "qemu-x86_64-static"
# Intel's Haswell of 2013: AVX2 and FMA, no AVX512 and no VNNI. What the emulator lacks is switched off, as it warns.
HASWELL = "Haswell-v4,pcid=off,x2apic=off,tsc-deadline=off,invpcid=off,spec-ctrl=off"


def python_of(cpu: str, folder: Path) -> Path:
    """A wrapper that is `sys.executable` inside, so that child processes are emulated, too; the packages are those of
    the environment that runs the tests. cpu: as the emulator's -cpu takes it.
    """
    emulator = shutil.which(EMULATOR)
    assert emulator is not None
    wrapper = folder / "bin" / "python"
    wrapper.parent.mkdir(parents=True)
    environment = Path(sys.prefix)
    if (environment / "pyvenv.cfg").is_file():  # Python finds its environment beside what it was called by
        shutil.copy(environment / "pyvenv.cfg", folder)
        (folder / "lib").symlink_to(environment / "lib")
    wrapper.write_text(f'#!/bin/sh\nexec {emulator} -cpu {cpu} -0 {wrapper} {Path(sys.executable).resolve()} "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    return wrapper
