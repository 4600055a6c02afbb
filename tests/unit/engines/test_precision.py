"""The words for precisions, simulated ones among them, and which engines offer those."""

import pytest

from seatrial.engines import ENGINES
from seatrial.engines.precision import (
    PRECISIONS,
    bits_of,
    check_precision,
    is_quantized,
    is_simulated,
    simulated_bits,
)
from seatrial.errors import UnsupportedError, UsageError


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        *(("sim-w4a4", (4, 4)), ("sim-w2a8", (2, 8)), ("sim-w8a3", (8, 3))),
        *(("sim-w1", (1, None)), ("sim-w4", (4, None)), ("sim-w10", (10, None))),
    ],
)
def test_a_simulated_precision_says_its_bits(name, bits):
    assert check_precision(name) == name
    assert simulated_bits(name) == bits
    assert is_simulated(name)
    assert is_quantized(name)


@pytest.mark.parametrize("name", ["sim-w1a9", "sim-w0", "sim-w11", "sim-w4a4x", "sim-w44a4", "simw4a4", "sim-w9a8"])
def test_an_impossible_simulated_precision_names_the_form(name):
    with pytest.raises(UsageError, match=r"sim-wXaY, with X bits .* from 2 to 8.* sim-wX, .* X from 1 to 10"):
        check_precision(name)
    assert not is_simulated(name)


def test_an_unknown_precision_lists_simulated_ones_too():
    with pytest.raises(UsageError, match=r"Known: fp32, .*w4a8, sim-wXaY, sim-wX\. sim- are simulated"):
        check_precision("int2")


@pytest.mark.parametrize(
    ("name", "bits"),
    [("fp32", (32, 32)), ("bf16", (16, 16)), ("int8", (8, 8)), ("int4", (4, None)), ("sim-w2a3", (2, 3))],
)
def test_every_precision_has_bits(name, bits):
    assert bits_of(name) == bits


def test_bits_are_known_of_every_precision_and_of_no_other_word():
    assert {bits_of(name)[0] for name in PRECISIONS} == {32, 16, 8, 4}
    with pytest.raises(UsageError, match="Unknown precision 'int2'"):
        bits_of("int2")


def test_real_precisions_are_not_simulated():
    assert [simulated_bits(name) for name in ("int8", "w4a8", "fp32")] == [None] * 3


@pytest.mark.parametrize("engine", ["onnxruntime", "pytorch"])
def test_engines_that_simulate_offer_every_simulated_precision(engine):
    ENGINES[engine].check_support("sim-w3a5", "cpu")
    with pytest.raises(
        UnsupportedError, match=r"does not run w4a8 .* sim-wXaY, sim-wX. No engine does: ONNX Runtime folds"
    ):
        ENGINES[engine].check_support("w4a8", "cpu")


def test_pytorch_offers_what_a_quantized_file_is_by_itself_and_only_pretends_it():
    engine = ENGINES["pytorch"]
    for precision in ("int8", "int4", "fp8", "sim-w4a4"):
        engine.check_offered(precision, "cpu")
        assert engine.simulated(precision)
    assert not engine.simulated("fp32")
    assert not ENGINES["onnxruntime"].simulated("int8")
    with pytest.raises(UnsupportedError, match="It runs: fp32, fp8, int8, int4, sim-wXaY, sim-wX"):
        engine.check_offered("bf16", "cpu")


def test_an_engine_that_does_not_simulate_refuses_it():
    assert not ENGINES["null"].simulates
    with pytest.raises(UnsupportedError, match="does not run sim-w4a4"):
        ENGINES["null"].check_support("sim-w4a4", "cpu")
