"""The processor's features against what the system lists, and what they say of a multiplication that is measured."""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from seatrial.engines import cpu
from seatrial.engines.cpu import Processor, listed_features, processor, x86_features

XEON = {  # CPUID and XCR0 of an Intel Xeon Platinum 8480 (Sapphire Rapids) under Linux
    (0, 0): (0x20, 0x756E6547, 0x6C65746E, 0x49656E69),
    (1, 0): (0xC06F2, 0x1020800, 0xFFFA3203, 0x1F8BFBFF),
    (7, 0): (0x2, 0xF1BF27EB, 0x1B415FDE, 0xBFD14410),
    (7, 1): (0x1C30, 0, 0, 0),
}
ALL_KEPT = 0x602E7


def ask(leaves):
    return lambda leaf, subleaf: leaves.get((leaf, subleaf), (0, 0, 0, 0))


def test_the_features_of_a_recorded_processor():
    found = x86_features(ask(XEON), lambda: ALL_KEPT)
    assert found >= {"avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "avx512_bf16", "avx512_fp16"}
    assert "avx_vnni_int8" not in found


@pytest.mark.parametrize(
    ("kept", "vnni", "amx"),
    [(ALL_KEPT, True, True), (0xE7, True, False), (0x7, True, False), (0x1, False, False)],
)
def test_what_the_system_does_not_save_is_not_there(kept, vnni, amx):
    """AVX-VNNI needs the 256-bit registers alone, AVX512-VNNI those of 512 bits, too."""
    found = Processor("x86_64", x86_features(ask(XEON), lambda: kept))
    assert (found.has_vnni, found.has_amx, found.saturates) == (vnni, amx, not vnni)
    assert ("avx512_vnni" in found.features) is (kept & 0xE0 == 0xE0)


def test_xcr0_is_not_read_where_the_system_has_not_switched_it_on():
    leaves = {**XEON, (1, 0): (0, 0, XEON[1, 0][2] & ~(1 << 27), 0)}
    assert not x86_features(ask(leaves), lambda: pytest.fail("XGETBV would fault")) & {"avx", "avx2", "avx512_vnni"}


def test_leaves_that_a_processor_does_not_have_are_not_believed():
    """CPUID beyond the highest leaf answers with that one's registers."""
    old = {**XEON, (0, 0): (1, 0, 0, 0)}
    assert x86_features(ask(old), lambda: ALL_KEPT) <= {"ssse3", "sse4_1", "avx", "fma"}
    early = {**XEON, (7, 0): (0, *XEON[7, 0][1:])}
    assert "avx_vnni" not in x86_features(ask(early), lambda: ALL_KEPT)


@pytest.mark.parametrize(
    ("machine", "features", "saturates"),
    [
        ("x86_64", {"avx2", "fma"}, True),
        ("x86_64", {"avx2", "avx512f", "avx512bw"}, True),
        ("x86_64", {"avx2", "avx_vnni"}, False),
        ("x86_64", {"avx512f", "avx512_vnni"}, False),
        ("x86_64", set(), True),
        ("aarch64", set(), False),
        ("aarch64", {"asimddp", "i8mm"}, False),
    ],
)
def test_who_saturates(machine, features, saturates):
    assert Processor(machine, frozenset(features)).saturates is saturates


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="compares with Linux's /proc/cpuinfo")
def test_the_processor_says_what_the_system_says():
    """Not under an emulator, whose /proc/cpuinfo is its host's: there, less may be found but nothing more."""
    listed = listed_features(Path("/proc/cpuinfo").read_text(encoding="utf-8"), {**cpu._X86, **cpu._ARM})
    assert processor().features <= listed
    assert processor().features or not listed


@pytest.mark.skipif(processor().machine != "x86_64", reason="what a system may forbid is code of our own, on x86")
def test_a_system_that_forbids_code_of_ones_own_is_believed(monkeypatch):
    class Forbidden:
        PROT_READ = PROT_WRITE = PROT_EXEC = PAGESIZE = 1

        def mmap(self, *arguments, **options):
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("seatrial.engines.cpu.mmap", Forbidden())
    monkeypatch.setattr("seatrial.engines.cpu._cpuinfo", lambda: "processor : 0\nflags : fpu avx2 avx512_vnni x2apic\n")
    assert cpu._x86_features() == {"avx2", "avx512_vnni"}


def product_of_two(weights):
    """The sum of 255 w1 + 255 w2 as a default session of ONNX Runtime computes it: 64 of each, in 64 places."""
    weight = numpy_helper.from_array(np.tile(np.array(weights, np.int8), 32).reshape(64, 1).repeat(16, 1), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [4, 64])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [4, 16])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = set(session.run(None, {"x": np.full((4, 64), 255, np.uint8)})[0].ravel().tolist())
    return found


def test_saturation_is_where_the_features_say():
    """32 pairs of 255 x 127 + 255 x 127 = 64770: in 16 bits, 32767 each."""
    exact, saturated = 32 * 64770, 32 * 32767
    assert product_of_two([127, 127]) == (saturated if processor().saturates else exact)
    assert product_of_two([-127, -127]) == (-32 * 32768 if processor().saturates else -exact)


@pytest.mark.parametrize("pair", [(64, 64), (127, 1), (-64, -64), (-127, -1), (127, -127)])
def test_no_processor_saturates_within_the_bound(pair):
    assert product_of_two(pair) == 32 * 255 * sum(pair)


def test_one_step_beyond_the_bound_saturates_where_the_features_say():
    assert product_of_two([64, 65]) == (32 * 32767 if processor().saturates else 32 * 255 * 129)
