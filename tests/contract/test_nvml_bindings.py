"""NVIDIA's own bindings (nvidia-ml-py) against a library that answers as NVML does: every name that we ask of them is
there, and its arguments and units are what we take them for. What a GPU makes of it, tests/gpu/test_nvml_on_device.py
checks.
"""

import json

import pytest
import tensorrt_stubs as stubs
from tensorrt_stubs import ROOT

from seatrial.engines.machine import nvidia_smi, nvml

pynvml = pytest.importorskip("pynvml")

ASK = """
import json
import pynvml
from seatrial.engines.machine import device_peak_bytes, meters, read_meters
from seatrial.engines.machine.meters import find_meters
from seatrial.engines.machine.nvml import Nvml, open_nvml
from seatrial.engines.machine.system import System

class Strict:
    def __getattr__(self, name):
        # Reasons have two names, of which each release has one; a test of their own holds them.
        assert hasattr(pynvml, name) or name.startswith("nvmlClocks"), f"the bindings have no {name}"
        return getattr(pynvml, name)

assert open_nvml() is not None
nvml = Nvml(Strict())
found = find_meters(System(library=lambda: nvml))
before = read_meters(found.found)
after = read_meters(found.found)
print(json.dumps({
    "gpus": nvml.gpus(),
    "readings": nvml.readings(),
    "meters": [[one.name, one.says] for one in found.found],
    "spent": {name: after[name] - before[name] for name in before},
    "peak": device_peak_bytes(),
}))
for one in found.found:
    one.close()
"""


def ask(folder, *flags):
    stubs.compile_library(ROOT / "tests/nvml_stub.c", folder / "libnvidia-ml.so.1", *flags)
    return json.loads(stubs.run_python(ASK, stubs.environment(folder)))


def test_a_card_and_driver_of_today_tell_all(tmp_path):
    found = ask(tmp_path)
    assert found["gpus"][0] == {
        "index": 0,
        "name": "NVIDIA L4",
        "compute_capability": "8.9",
        "driver": "580.95.05",
        "memory_bytes": 24 << 30,
    }
    assert found["readings"][0] == {
        "name": "NVIDIA L4",
        "mhz": 1455,
        "memory_mhz": 6251,
        "mhz_max": 2040,
        "celsius": 71,
        "watts": 71.5,
        "power_limit_watts": 72.0,
        "throttle": [
            "the power limit holds its clock down",
            "its driver slows it down: too hot",
            "a reason that these bindings do not know (bits 0x100000)",
        ],
        "chosen": ["its clock is set by hand (application clocks)"],
        "used_bytes": 512 << 20,
        "memory_used_bytes": 3 << 30,
        "others": 1,
    }
    assert found["meters"] == [["GPU 0", "the whole graphics card, its own counter (NVML)"]]
    assert found["spent"] == {"GPU 0": pytest.approx(2.5)}
    assert found["peak"] == 900 << 20, "what the driver's accounts say is more than what is used now"


AT_A_PLACE = """
import numpy as np
from onnx import TensorProto, helper
from seatrial.engines import BuildRequest
from seatrial.engines.places import EngineProcess, PlacedEngine

values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in ("input", "logits")]
graph = helper.make_graph([helper.make_node("Identity", ["input"], ["logits"])], "one", values[:1], values[1:])
with EngineProcess("null", lanes=1) as process:
    request = BuildRequest(helper.make_model(graph).SerializeToString(), "input", "logits", (4,), 4)
    engine = PlacedEngine(process, request)
    print([gpu["mhz"] for gpu in engine.machine()["gpus"]], engine.device_memory_bytes())
"""


def test_an_engines_process_tells_of_the_gpus_beside_it(tmp_path):
    stubs.compile_library(ROOT / "tests/nvml_stub.c", tmp_path / "libnvidia-ml.so.1")
    told = stubs.run_python(AT_A_PLACE, stubs.environment(tmp_path)).strip()
    assert told == f"[1455, None] {900 << 20}"


def test_an_old_card_tells_what_it_can(tmp_path):
    reading = ask(tmp_path)["readings"][1]
    assert (reading["name"], reading["celsius"], reading["memory_used_bytes"]) == ("Quadro K620", 71, 3 << 30)
    told = {"name", "celsius", "memory_used_bytes"}
    assert all(value is None for key, value in reading.items() if key not in told)


def test_an_old_driver_gives_its_reasons_under_their_old_name_and_power_in_place_of_energy(tmp_path):
    found = ask(tmp_path, "-DOLD")
    assert found["readings"][0]["throttle"][:2] == [
        "the power limit holds its clock down",
        "its driver slows it down: too hot",
    ]
    assert found["meters"] == [["GPU 0", "the whole graphics card, its power (NVML), read every 0.1 s"]]
    assert found["spent"]["GPU 0"] >= 0
    # Its lists of processes have another version, too; it keeps no accounts.
    assert found["peak"] == found["readings"][0]["used_bytes"] == 512 << 20
    assert found["readings"][0]["others"] == 1


@pytest.mark.parametrize("name", [*nvml._REASONS, *nvml._CHOSEN, *nvml._IDLE])
def test_every_reason_has_its_bit_in_the_bindings(name):
    assert nvml.Nvml(pynvml)._reason(name) in [1 << bit for bit in range(32)]


def test_the_commands_bits_are_the_bindings():
    assert {name: nvml.Nvml(pynvml)._reason(name) for name in nvidia_smi._BITS} == nvidia_smi._BITS


def test_no_reason_of_the_bindings_is_without_words():
    known = {nvml.Nvml(pynvml)._reason(name) for name in (*nvml._REASONS, *nvml._CHOSEN, *nvml._IDLE)}
    for prefix in nvml._PREFIXES:
        names = [name for name in dir(pynvml) if name.startswith(prefix) and not name.endswith(("All", "None"))]
        assert names
        assert {getattr(pynvml, name) for name in names} <= known


def test_without_a_driver_there_is_no_gpu_and_the_reason_is_told(tmp_path):
    code = (
        "import sys\nfrom seatrial.engines.machine.nvml import open_nvml, why_not\n"
        "print(open_nvml(), why_not(), 'pynvml' in sys.modules)"
    )
    (tmp_path / "libnvidia-ml.so.1").write_text("no library")
    assert stubs.run_python(code, stubs.environment(tmp_path)).strip() == "None no driver of NVIDIA's False"


def test_a_driver_without_bindings_is_told_with_the_line_that_installs_them(tmp_path):
    stubs.compile_library(ROOT / "tests/nvml_stub.c", tmp_path / "libnvidia-ml.so.1")
    code = (
        "import sys\nsys.modules['pynvml'] = None\nfrom seatrial.engines.machine.meters import find_meters\n"
        "from seatrial.engines.machine.system import System\nprint(find_meters(System()).refused[-1])"
    )
    told = stubs.run_python(code, stubs.environment(tmp_path)).strip()
    assert told == "the graphics card (NVML) cannot be read: no module pynvml (pip install nvidia-ml-py)."


def test_a_driver_that_does_not_start_is_told(tmp_path):
    (tmp_path / "broken.c").write_text("int nvmlInitWithFlags(unsigned flags) { return 9; }\n")  # driver not loaded
    stubs.compile_library(tmp_path / "broken.c", tmp_path / "libnvidia-ml.so.1")
    code = "from seatrial.engines.machine.nvml import open_nvml, why_not\nprint(open_nvml(), why_not())"
    assert stubs.run_python(code, stubs.environment(tmp_path)).startswith("None NVML: ")
