"""`bench.py doctor`, as a user and a script run it; with broken runtimes, and with none."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import onnxruntime
import pytest
from conftest import ROOT, bench, bench_process

from seatrial.engines import ENGINES
from seatrial.engines.cpu import processor

KEYS = {"name", "usable", "version", "precisions", "devices", "missing", "install"}
ON_KEYS = {"usable", "precisions", "missing", "refused"}


@pytest.fixture(scope="module")
def found():
    done = bench(["doctor", "--json"])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def engine(found, name):
    return next(one for one in found["engines"] if one["name"] == name)


def test_the_json_has_every_engine_and_nothing_else_is_on_standard_output(found):
    assert found["schema"] == 1
    assert {one["name"] for one in found["engines"]} == set(ENGINES)
    for one in found["engines"]:
        assert one.keys() >= KEYS
        assert list(one["on"]) == list(ENGINES[one["name"]].manifest)
        assert all(on.keys() >= ON_KEYS for on in one["on"].values())
        assert one["usable"] == bool(one["devices"]) == (one["missing"] is None)
        assert one["install"] or ENGINES[one["name"]].module is None


def test_the_runtime_that_is_here_is_usable(found):
    ort = engine(found, "onnxruntime")
    assert ort["usable"]
    assert ort["version"] == onnxruntime.__version__
    assert ort["devices"][0] == "cpu"
    assert set(ort["on"]["cpu"]["precisions"]) == {"fp32", "int8", "int4"}


def test_the_machine_is_described(found):
    machine = found["machine"]
    assert machine["cores"] == os.cpu_count()
    assert machine["memory_bytes"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert machine["python"] == ".".join(map(str, sys.version_info[:3]))
    features = processor().features
    for word, flag in (("VNNI", "avx512_vnni"), ("AMX-INT8", "amx_int8"), ("AVX512-BF16", "avx512_bf16")):
        if flag in features:
            assert word in machine["instructions"]
    assert ("no VNNI" in machine["integers"]) is processor().saturates
    assert len(machine["now"]["load"]) == 3
    assert all(sentence.endswith(".") for sentence in machine["disturbs"])
    assert all(meter.keys() == {"name", "says"} for meter in machine["meters"])
    assert found["cache"]["path"] == os.environ["SEATRIAL_CACHE"]


def test_the_table_answers_first_and_names_what_is_missing():
    done = bench_process(["doctor"], env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert re.match(r"\d+ of \d+ engines are usable here: onnxruntime \S+ on cpu", first)
    assert re.search(r"onnxruntime +\S+ +cpu +fp32, int8, int4", done.stdout)
    assert "What is missing" in done.stdout
    assert "processor" in done.stdout


@pytest.mark.skipif(importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt-rtx is not installed")
def test_an_engine_that_builds_without_its_device_is_told_of(found):
    device = engine(found, "tensorrt-rtx")["on"]["cuda"]
    assert device["usable"] or {"fp32", "fp16", "int8"} <= set(device["builds"])
    assert all(not one["builds"] for one in engine(found, "onnxruntime")["on"].values())


def test_an_engine_that_is_not_usable_ends_with_3_and_says_how_to_get_it(found):
    unusable = [one for one in found["engines"] if not one["usable"]]
    assert unusable, "every engine is usable here: this needs one that is not"
    done = bench(["doctor", "--engine", unusable[0]["name"]], COLUMNS="200")
    assert done.returncode == 3
    assert done.stdout.startswith("0 of 1 engines are usable here.")
    assert unusable[0]["install"] in done.stdout


def test_named_engines_decide_the_exit_status():
    done = bench(["doctor", "--engine", "ort", "--engine", "onnxruntime", "--json"])
    assert done.returncode == 0
    assert [one["name"] for one in json.loads(done.stdout)["engines"]] == ["onnxruntime"]
    done = bench(["doctor", "--engine", "onnxrntime"])
    assert done.returncode == 2
    assert "Did you mean 'onnxruntime'?" in done.stderr
    for seconds in ("0", "-1", "nan"):
        assert bench(["doctor", "--timeout", seconds]).returncode == 2


def test_help_teaches():
    done = bench(["doctor", "--help-all"])
    assert done.returncode == 0
    for word in ("--json", "--engine", "exit status 3 where", "jq", "process of its own"):
        assert word in " ".join(done.stdout.split())


def without(folder, *hidden):
    """A folder of the installed packages but for those whose name begins with one of `hidden`."""
    folder.mkdir()
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not entry.name.lower().startswith(hidden) and entry.suffix != ".pth":
            (folder / entry.name).symlink_to(entry)
    return folder


OPTIONAL = (
    *("onnxruntime", "openvino", "torch", "nncf", "modelopt", "nvidia", "tensorrt", "timm", "onnxslim", "onnxscript"),
    *("onnx_graphsurgeon", "safetensors", "cppimport", "lief", "pynvml", "cuda", "pycuda", "av", "simplejpeg"),
)


def test_without_any_optional_package_it_looks_and_says_what_installs_them(tmp_path):
    site = without(tmp_path / "site", *OPTIONAL)
    done = subprocess.run(
        # -S: Python's own folders alone, then PYTHONPATH.
        [sys.executable, "-S", ROOT / "bench.py", "doctor", "--json"],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one["name"] for one in found["engines"] if one["usable"]] == ["null"]
    for one in found["engines"]:
        if one["name"] == "kserve":  # it needs a server, and no package to ask one over HTTP
            assert "--place" in one["missing"]
        elif one["name"] != "null":
            assert (one["version"], one["precisions"], one["devices"]) == (None, [], [])
            assert one["missing"].startswith("not installed")
            assert "pip install" in one["install"]
    assert all(not one["usable"] and "pip install" in one["install"] for one in found["packages"])


def drive(folder, runtime, *arguments):
    """The command in a process where an engine `broken` has the runtime that is written here."""
    (folder / "broken_runtime.py").write_text("import ctypes, os, sys, time\n" + textwrap.dedent(runtime))
    (folder / "broken_engine.py").write_text(
        textwrap.dedent(
            """
            from seatrial.engines.base import Engine
            from seatrial.engines.registry import ENGINES

            @ENGINES.register("broken")
            class Broken(Engine):
                name = "broken"
                module = "broken_runtime"
                install = "pip install broken"
                manifest = {"cpu": ("fp32",), "cuda": ("fp32", "int8"), "npu": ("int8",)}

                @classmethod
                def check_device(cls, device):
                    cls.runtime().look(device)

                _build = _infer = _read_audit = None
            """
        )
    )
    driver = folder / "driver.py"
    driver.write_text(
        "import sys\nimport broken_engine\nimport bench\nassert 'broken_runtime' not in sys.modules\n"
        "status = bench.main(sys.argv[1:])\nassert 'broken_runtime' not in sys.modules\nsys.exit(status)\n"
    )
    return subprocess.run(
        [sys.executable, driver, "doctor", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
    )


@pytest.mark.parametrize(
    ("runtime", "missing"),
    [
        ("ctypes.string_at(0)", "crashed on import (signal 11, SIGSEGV)"),
        ("print('so far', file=sys.stderr, flush=True); os.abort()", "crashed on import (signal 6, SIGABRT)"),
        ("time.sleep(600)", "hangs on import (no answer within 4 s)"),
        ("ctypes.PyDLL(None).sleep(600)", "hangs on import (no answer within 4 s)"),
        ("sys.exit(3)", "ended without an answer on import (exit status 3)"),
        ("os._exit(0)", "ended without an answer on import (exit status 0)"),
        (
            "raise OSError('libnv.so.1: cannot open')",
            "Engine 'broken' needs broken_runtime, which is installed but does not import: OSError: libnv.so.1: cannot",
        ),
        (
            "import no_such_part",
            "Engine 'broken' needs broken_runtime, which is installed but does not import: it needs no_such_part, "
            "which is not installed. Mend it: pip install broken",
        ),
    ],
)
def test_a_runtime_that_breaks_on_import_is_told_of(tmp_path, runtime, missing):
    done = drive(tmp_path, runtime, "--engine", "broken", "--engine", "null", "--json", "--timeout", "4")
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    broken = engine(found, "broken")
    assert not broken["usable"]
    assert broken["missing"].startswith(missing)
    assert {one["missing"] for one in broken["on"].values()} == {broken["missing"]}
    assert engine(found, "null")["usable"]


def test_a_crash_over_one_device_leaves_the_others(tmp_path):
    runtime = """
    __version__ = "4.5"
    print("a banner on standard output")
    os.write(1, b"and another\\n")

    def look(device):
        if device == "cuda":
            ctypes.string_at(0)
    """
    done = drive(tmp_path, runtime, "--engine", "broken", "--json")
    assert done.returncode == 0, done.stderr
    broken = engine(json.loads(done.stdout), "broken")
    assert (broken["usable"], broken["version"], broken["devices"]) == (True, "4.5", ["cpu", "npu"])
    assert broken["precisions"] == ["fp32", "int8"]
    assert broken["on"]["cuda"]["missing"].startswith("crashed while it looked for 'cuda' (signal 11, SIGSEGV)")


def test_broken_runtimes_stand_in_the_table_with_what_they_said(tmp_path):
    runtime = "print('driver too old [red]', file=sys.stderr, flush=True); os.abort()"
    done = drive(tmp_path, runtime, "--engine", "broken")
    assert done.returncode == 3
    assert "0 of 1 engines are usable here." in done.stdout
    assert "broken: crashed on import (signal 6, SIGABRT). Its last output: driver too old [red]" in done.stdout
    assert "pip install broken" in done.stdout


def test_two_packages_of_one_module_are_a_caution(tmp_path):
    """The metadata of onnxruntime-gpu, beside the real onnxruntime."""
    info = tmp_path / "onnxruntime_gpu-1.20.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.20.0\n")
    (info / "top_level.txt").write_text("onnxruntime\n")
    (info / "RECORD").write_text("onnxruntime/__init__.py,,\n")
    done = bench_process(["doctor", "--engine", "null", "--json"], env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert any("onnxruntime and onnxruntime-gpu" in caution for caution in json.loads(done.stdout)["cautions"])


def smi(folder, body):
    """A stand-in for the driver's tool, where there is none."""
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!{sys.executable}\nimport sys, time\n{body}\n")
    tool.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_gpus_are_named_where_nvidia_smi_does(tmp_path):
    body = "assert sys.argv[1].startswith('--query-gpu=index,name,compute_cap,driver_version')\n"
    body += "print('0, NVIDIA GeForce RTX 4090, 8.9, 560.35.03, 24564')"
    done = bench(["doctor", "--engine", "null"], PATH=smi(tmp_path, body), COLUMNS="200")
    assert "0: NVIDIA GeForce RTX 4090, compute capability 8.9, driver 560.35.03, 24 GiB" in done.stdout


def test_a_driver_that_fails_is_told_of(tmp_path):
    body = "print('NVIDIA-SMI has failed because it could not communicate with the driver'); sys.exit(9)"
    done = bench(["doctor", "--engine", "null", "--json"], PATH=smi(tmp_path, body))
    machine = json.loads(done.stdout)["machine"]
    if importlib.util.find_spec("pynvml") is None or not machine["gpus"]:
        assert machine["gpu_problem"].startswith("nvidia-smi: NVIDIA-SMI has failed")
