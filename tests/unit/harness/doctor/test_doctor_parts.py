"""The doctor's parts: children that crash or hang, what the system tells, and what an engine says of itself."""

import json
import signal
import sys
import textwrap
import time
from pathlib import Path

import pytest

from seatrial.engines import ENGINES
from seatrial.engines.base import Engine
from seatrial.engines.machine.gpus import parse_gpus
from seatrial.engines.survey import survey
from seatrial.errors import UnsupportedError
from seatrial.harness.doctor.engines import examine_engine
from seatrial.harness.doctor.examine import describe_cache
from seatrial.harness.doctor.machine import instructions
from seatrial.harness.doctor.packages import duplicates
from seatrial.question import Answer, ask


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module that `ask` can run, and gives its name."""

    def write(body, name="asked_by_a_test"):
        (tmp_path / f"{name}.py").write_text(
            "import ctypes, json, os, signal, sys, time\n\ndef main(*arguments):\n" + textwrap.indent(body, "    ")
        )
        monkeypatch.syspath_prepend(tmp_path)
        return name

    return write


def test_a_child_answers_in_lines_and_gets_its_arguments(module):
    name = module("print(json.dumps({'got': arguments}))\nprint(json.dumps({'done': True}))")
    answer = ask(name, ["a b", 3, ["x"]], 30)
    assert answer.lines == ({"got": ["a b", 3, ["x"]]}, {"done": True})
    assert answer.ended is None


@pytest.mark.parametrize(
    ("body", "ended"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed (signal 11, SIGSEGV)"),
        ("ctypes.string_at(0)", "crashed (signal 11, SIGSEGV)"),
        ("os.abort()", f"crashed (signal {int(signal.SIGABRT)}, SIGABRT)"),
        ("sys.exit(7)", "ended without an answer (exit status 7)"),
        ("raise RuntimeError('no such device')", "ended without an answer (exit status 1)"),
        ("os._exit(0)", "ended without an answer (exit status 0)"),
    ],
)
def test_a_child_that_dies_is_an_answer(module, body, ended):
    name = module(
        "print(json.dumps({'at': 'import'}), flush=True)\nprint('last', file=sys.stderr, flush=True)\n" + body
    )
    answer = ask(name, [], 30)
    assert answer.ended == ended
    assert answer.lines == ({"at": "import"},)
    assert answer.output.endswith(("last", "no such device"))


def test_a_child_that_hangs_is_ended_with_its_children(module, tmp_path):
    pid = tmp_path / "pid"
    name = module(
        "import subprocess\n"
        "print(json.dumps({'at': 'cuda'}), flush=True)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pid)!r}, 'w').write(str(other.pid))\n"
        "time.sleep(600)"
    )
    begin = time.monotonic()
    answer = ask(name, [], 3)
    assert time.monotonic() - begin < 20
    assert answer.ended == "hangs (no answer within 3 s)"
    assert answer.lines == ({"at": "cuda"},)
    state = Path(f"/proc/{pid.read_text()}/stat")
    for _ in range(50):
        try:
            gone = state.read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            gone = True
        if gone:
            return
        time.sleep(0.1)
    pytest.fail("the child's child lives on")


def test_a_child_takes_nothing_from_the_current_folder(module, tmp_path, monkeypatch):
    name = module("import json as used\nprint(json.dumps({'file': used.__file__, 'done': True}))")
    folder = tmp_path / "cwd"
    folder.mkdir()
    for shadow in ("json", "importlib", "engines", "numpy"):
        (folder / f"{shadow}.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    answer = ask(name, [], 30)
    assert answer.ended is None
    assert answer.lines[0]["file"] == json.__file__


class Told(Engine):
    """What a runtime might say, without one."""

    name = "told"
    install = "pip install told"
    manifest = {"cpu": ("fp32", "int8"), "cuda": ("fp32",), "odd": ("fp32",)}  # noqa: RUF012

    @classmethod
    def runtime(cls):
        return None

    @classmethod
    def version(cls):
        return "1.2"

    @classmethod
    def check_device(cls, device):
        if device == "cuda":
            raise UnsupportedError("no GPU")
        if device == "odd":
            raise OSError("libodd.so: cannot open")

    @classmethod
    def check_support(cls, precision, device):
        super().check_support(precision, device)
        if precision == "int8":
            raise UnsupportedError("no VNNI")

    @classmethod
    def cautions_of(cls, precision, device):
        return (f"{precision} on {device} is slow",)

    _build = _infer = _read_audit = None


def test_a_survey_says_what_runs_and_why_the_rest_does_not():
    said = []
    survey(Told, list(Told.manifest), said.append)
    assert [line["at"] for line in said if "at" in line] == ["import", "cpu", "cuda", "odd"]
    assert {"version": "1.2", "missing": None, "mend": None} in said
    found = {line["device"]: line for line in said if "device" in line}
    assert found["cpu"] == {
        "device": "cpu",
        "usable": True,
        "precisions": ["fp32"],
        "missing": None,
        "refused": {"int8": "no VNNI"},
        "builds": [],
        "cautions": ["fp32 on cpu is slow"],
    }
    assert (found["cuda"]["usable"], found["cuda"]["missing"]) == (False, "no GPU")
    assert found["odd"]["missing"] == "OSError: libodd.so: cannot open"


def test_a_device_whose_every_precision_is_refused_is_not_usable():
    class Refuses(Told):
        manifest = {"cpu": ("int8",)}  # noqa: RUF012

    said = []
    survey(Refuses, ["cpu"], said.append)
    assert said[-1]["usable"] is False
    assert said[-1]["missing"] == "no VNNI"


def test_a_runtime_that_cannot_be_imported_is_not_asked_for_devices():
    class Broken(Told):
        @classmethod
        def runtime(cls):
            raise OSError("libcuda.so.1: cannot open shared object file")

    said = []
    survey(Broken, ["cpu"], said.append)
    says = "OSError: libcuda.so.1: cannot open shared object file"
    assert said[-1] == {"version": None, "missing": says, "mend": None}


def refusal(engine, precision, device):
    try:
        engine.check_support(precision, device)
    except UnsupportedError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", ["onnxruntime", "openvino", "pytorch", "null"])
def test_the_engines_here_are_found_with_what_check_support_says(name):
    engine = ENGINES[name]
    found = examine_engine(engine, 120)
    assert found["usable"]
    assert found["version"] == (engine.version() if engine.module else None)
    assert found["offers"] == {device: list(engine.manifest[device]) for device in engine.manifest}
    for device, one in found["on"].items():
        for precision in engine.manifest[device]:
            why = refusal(engine, precision, device)
            assert (precision in one["precisions"]) == (why is None)
            assert why is None or why in (one["missing"], one["refused"].get(precision))
    assert found["devices"] == [device for device, one in found["on"].items() if one["usable"]]


def test_no_runtime_is_imported_to_find_that_it_is_not_installed():
    class Missing(Told):
        module = "no_such_runtime"

    said = []
    survey(Missing, list(Missing.manifest), said.append)
    assert all("at" not in line for line in said)
    found = examine_engine(Missing, 30, lambda *question: Answer(tuple(said), None, ""))
    assert (found["usable"], found["version"], found["devices"], found["precisions"]) == (False, None, [], [])
    assert found["missing"] == "not installed: there is no module 'no_such_runtime'"
    assert found["install"] == "pip install told"
    assert found["on"]["cpu"]["missing"] == found["missing"]


def test_features_become_words():
    x86 = frozenset({"avx2", "avx512f", "avx512_vnni", "amx_int8", "avx512_bf16"})
    assert instructions(x86) == ["AVX2", "AVX512", "VNNI", "AVX512-BF16", "AMX-INT8"]
    arm = frozenset({"asimdhp", "asimddp", "i8mm", "bf16"})
    assert instructions(arm) == ["DOTPROD", "I8MM", "ARM-BF16", "ARM-FP16"]
    assert instructions(frozenset({"ssse3"})) == []


def test_lines_of_nvidia_smi_become_gpus():
    text = "0, NVIDIA L4, 8.9, 550.54.15, 23034\n1, Tesla, a name with comma, 7.5, 550, 1\nNo devices were found\n"
    assert parse_gpus(text) == [
        {
            "index": 0,
            "name": "NVIDIA L4",
            "compute_capability": "8.9",
            "driver": "550.54.15",
            "memory_bytes": 23034 << 20,
        }
    ]
    orin = parse_gpus("0, Orin (nvgpu), 8.7, N/A, [N/A]\n")[0]
    assert (orin["compute_capability"], orin["driver"], orin["memory_bytes"]) == ("8.7", None, None)
    assert parse_gpus("") == []


def test_two_packages_of_one_module_are_told_of():
    owners = {
        "onnxruntime": ["onnxruntime", "onnxruntime-gpu", "onnxruntime"],
        "cv2": ["opencv-python-headless"],
        "openvino": ["openvino", "openvino"],
    }
    found = duplicates(owners, ["onnxruntime", "openvino", "cv2", "torch"])
    assert len(found) == 1
    assert "onnxruntime and onnxruntime-gpu are installed together" in found[0]
    assert "pip uninstall onnxruntime onnxruntime-gpu" in found[0]


def test_the_cache_is_measured_without_following_links(tmp_path):
    root = tmp_path / "cache"
    assert describe_cache(root) == {"path": str(root), "files": 0, "bytes": 0}
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/one").write_bytes(b"x" * 1000)
    (root / "two").write_bytes(b"x" * 24)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "large").write_bytes(b"x" * 100000)
    (root / "link").symlink_to(outside)
    found = describe_cache(root)
    assert found["files"] == 2
    assert found["bytes"] == 1024
