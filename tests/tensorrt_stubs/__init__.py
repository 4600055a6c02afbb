"""The real Python bindings of TensorRT and CUDA, on a machine without either: their native libraries are stubs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Installed by `make test`; folder below INSTALLED -> what is in it.
INSTALLED = Path(sys.prefix) / "tensorrt-bindings"
PACKAGES = {folder: packages for folder, *packages in map(str.split, (HERE / "versions.txt").read_text().splitlines())}
TENSORRT = [folder for folder in PACKAGES if not folder.startswith("cuda")]
CUDA = [folder for folder in PACKAGES if folder.startswith("cuda")]


def bindings(folder):
    """Where a version of the bindings lies; AssertionError with the line that installs it where it does not."""
    path = INSTALLED / folder
    line = f"{sys.executable} -m pip install --no-deps --upgrade --target {path} {' '.join(PACKAGES[folder])}"
    for package in PACKAGES[folder]:
        info = f"{package.replace('-', '_').replace('==', '-')}.dist-info"
        assert (path / info).is_dir(), f"{package} is not installed at {path}; `make test` does it, or: {line}"
    return path


def compile_library(source, path, *flags):
    """Compiles C into a shared library that calls itself by its file's name."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    assert compiler, "No C compiler: install one (apt-get install gcc), or name it in CC."
    sources = source if isinstance(source, list) else [source]
    subprocess.run([compiler, "-shared", "-fPIC", "-o", path, f"-Wl,-soname,{path.name}", *flags, *sources], check=True)


def tensorrt_environment(folder, libraries):
    """Environment variables in which `import tensorrt_bindings` is that version's; `libraries` is a folder to fill."""
    major = folder.partition(".")[0]
    for name in ("nvinfer", "nvinfer_plugin", "nvonnxparser"):
        compile_library(HERE / f"{name}.c", libraries / f"lib{name}.so.{major}")
    return environment(libraries, bindings(folder))


def cuda_environment(folder, libraries, *flags):
    """Environment variables in which `cuda.bindings` is that version's, with a driver whose GPU is the host."""
    compile_library(HERE / "libcuda.c", libraries / "libcuda.so.1", *flags)
    return environment(libraries, bindings(folder))


def environment(libraries, *packages):
    """This process's environment, with libraries and packages found before all others."""
    return {
        **os.environ,
        "LD_LIBRARY_PATH": str(libraries),
        "PYTHONPATH": os.pathsep.join(map(str, (*packages, ROOT, ROOT / "tests"))),
    }


def run_python(code, env, *arguments):
    """Standard output of a Python program in a process of its own; AssertionError with its errors if it fails."""
    done = subprocess.run(
        [sys.executable, *(["-c", code] if isinstance(code, str) else [code]), *map(str, arguments)],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
