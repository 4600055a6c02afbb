"""The adapter against NVIDIA's own Python bindings: TensorRT 10.3, 10.13, 10.16 and 11.4, and TensorRT-RTX.

The bindings of TensorRT are the real ones; the libraries behind them are stubs (tests/tensorrt_stubs), with which they
import on any machine but build nothing. Type stubs made from their signatures let mypy check each class, method,
property, enum member and argument that the adapter uses, on every version that takes the code.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tensorrt_stubs as stubs

ADAPTER = stubs.ROOT / "engines" / "tensorrt"
SHARED = ("adapter", "build", "dialect", "gpu", "listener", "session")
FULL = (*SHARED, "full", "timing_cache")
# Version -> modules of the adapter that it takes.
TAKEN = {
    **dict.fromkeys(("10.3", "10.13", "10.16"), (*FULL, "v10")),
    "11.4": (*FULL, "v11"),
    "rtx": (*SHARED, "rtx"),
}


@pytest.fixture(scope="module")
def typings(tmp_path_factory):
    """Version -> folder with the stubs of its bindings."""

    def make(version):
        folder = tmp_path_factory.mktemp(f"typing-{version}")
        if version == "rtx":
            stubs.run_python(stubs.HERE / "signatures.py", None, "tensorrt_rtx", folder)
        else:
            env = stubs.tensorrt_environment(version, tmp_path_factory.mktemp("libraries"))
            stubs.run_python(stubs.HERE / "signatures.py", env, "tensorrt_bindings", folder)
        return folder

    return {version: make(version) for version in TAKEN}


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Stubs and files -> mypy's errors as (file name, line, text). What it learns of other packages is learnt once."""
    cache = tmp_path_factory.mktemp("mypy")
    return lambda typing, *files: mypy_errors(typing, cache, *files)


def mypy_errors(typing, cache, *files):
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports", "silent", "--cache-dir", cache, *files],
        env={**stubs.environment("", stubs.ROOT), "MYPYPATH": f"{typing}:{stubs.ROOT}"},
        cwd=stubs.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(r"^(.*?):(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    return [(Path(name).name, int(line), text) for name, line, text in found]


@pytest.mark.parametrize("version", stubs.TENSORRT)
def test_the_real_bindings_import_and_are_of_their_version(tmp_path, version):
    env = stubs.tensorrt_environment(version, tmp_path)
    told = stubs.run_python("import tensorrt_bindings; print(tensorrt_bindings.__version__)", env)
    assert told.strip() == stubs.PACKAGES[version][0].partition("==")[2]


def test_bindings_that_are_not_installed_fail_with_the_line_that_installs_them(tmp_path, monkeypatch):
    monkeypatch.setattr(stubs, "INSTALLED", tmp_path)
    with pytest.raises(AssertionError, match=r"make test.*pip install --no-deps .*11\.4 tensorrt_cu13_bindings==11\.4"):
        stubs.bindings("11.4")


def test_a_missing_compiler_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(AssertionError, match="No C compiler: install one"):
        stubs.compile_library(stubs.HERE / "nvinfer.c", tmp_path / "libnvinfer.so.11")


@pytest.mark.parametrize("version", TAKEN)
def test_the_adapter_calls_only_what_the_version_has(typings, mypy, version):
    files = [ADAPTER / f"{name}.py" for name in TAKEN[version]]
    assert mypy(typings[version], *files) == []


def test_every_file_that_uses_the_bindings_is_checked():
    using = {path.stem for path in ADAPTER.glob("*.py") if re.search(r"\btrt\.|Bindings\.", path.read_text())}
    assert using <= {name for names in TAKEN.values() for name in names}


def misspelt(source, vocabulary):
    """Copies of a source with one attribute misspelt in each, as (line, name, text)."""
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in vocabulary:
            row, end = node.end_lineno - 1, node.end_col_offset
            if not lines[row][:end].endswith(node.attr):
                continue  # inside an f-string, where Python before 3.12 knows no positions
            changed = [*lines]
            changed[row] = f"{lines[row][:end]}x{lines[row][end:]}"
            yield row + 1, node.attr, "".join(changed)


BETWEEN = ("10.13", "10.16")


@pytest.mark.parametrize(
    "version", [pytest.param(one, marks=pytest.mark.long) if one in BETWEEN else one for one in TAKEN]
)
def test_every_single_misspelt_name_in_the_adapter_is_found(typings, mypy, tmp_path, version):
    vocabulary = set(re.findall(r"\w+", (typings[version] / "tensorrt_typing.pyi").read_text()))
    mutants = {}
    for name in TAKEN[version]:
        source = (ADAPTER / f"{name}.py").read_text()
        uses = re.findall(r"\btrt\b|Bindings\.", source)
        for line, attribute, text in misspelt(source, vocabulary) if uses else ():
            path = tmp_path / f"mutant_{len(mutants):03d}.py"
            path.write_text(text)
            mutants[path.name] = (name, line, attribute)
    assert len(mutants) > 80
    found = {name for name, _, _ in mypy(typings[version], *sorted(tmp_path.glob("mutant_*.py")))}
    assert [mutants[name] for name in sorted(mutants.keys() - found)] == []


def test_one_misspelt_method_is_told_where_it_stands(typings, mypy, tmp_path):
    """The same in plain: one letter, one error."""
    source = (ADAPTER / "session.py").read_text()
    assert source.count(".execute_async_v3(") == 1
    (tmp_path / "session.py").write_text(source.replace(".execute_async_v3(", ".execute_asynch_v3("))
    ((name, line, text),) = mypy(typings["11.4"], tmp_path / "session.py")
    assert (name, source.splitlines()[line - 1].strip()[:15]) == ("session.py", "if not context.")
    assert '"IExecutionContext" has no attribute "execute_asynch_v3"' in text


def test_a_method_of_another_version_is_found(typings, mypy):
    """The check is of versions, not of TensorRT at large: 10.x has no compute capabilities to build for."""
    errors = mypy(typings["10.16"], ADAPTER / "rtx.py")
    assert any("num_compute_capabilities" in text for _, _, text in errors)


@pytest.mark.parametrize("version", stubs.TENSORRT)
def test_the_listener_keeps_errors_and_leaves_the_rest(tmp_path, version):
    code = """
import tensorrt_bindings as trt
from seatrial.engines.tensorrt.listener import Listener
listener = Listener(trt)
for severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR, trt.ILogger.WARNING, trt.ILogger.INFO):
    listener.sink.log(severity, f"{severity.name} message")
assert isinstance(listener.sink, trt.ILogger)
print(listener.said())
"""
    env = stubs.tensorrt_environment(version, tmp_path)
    assert stubs.run_python(code, env).strip() == "INTERNAL_ERROR message; ERROR message"


@pytest.mark.parametrize("version", stubs.TENSORRT)
def test_a_tensorrt_without_its_library_is_a_build_error_with_words(tmp_path, version):
    """The stub library gives no builder, as a real one without a GPU does not."""
    code = """
import tensorrt_bindings as trt
from seatrial.engines.base import BuildRequest
from seatrial.engines.tensorrt.build import build_plan
from seatrial.engines.tensorrt.v10 import V10
from seatrial.engines.tensorrt.v11 import V11
from seatrial.errors import BuildError
dialect = V10() if trt.__version__.startswith("10") else V11()
print(dialect.creation_flags(trt))
try:
    build_plan(trt, dialect, BuildRequest(b"", "input", "logits", (3, 8, 8), 4, device="cuda"))
except BuildError as error:
    print(error)
"""
    flags, said = stubs.run_python(code, stubs.tensorrt_environment(version, tmp_path)).splitlines()
    assert int(flags) == (2 if version.startswith("10") else 0)
    assert said.startswith("TensorRT has no builder here")


@pytest.mark.parametrize("version", stubs.TENSORRT)
def test_numpy_types_of_inputs_and_outputs_are_known(tmp_path, version):
    code = """
import tensorrt_bindings as trt
import numpy as np
assert trt.nptype(trt.DataType.FLOAT) is np.float32
assert trt.nptype(trt.DataType.HALF) is np.float16
try:
    trt.nptype(trt.DataType.BF16)
except TypeError:
    print("no bfloat16")
"""
    assert stubs.run_python(code, stubs.tensorrt_environment(version, tmp_path)).strip() == "no bfloat16"
