"""No input, whatever it is, ends in a fault of ours; and whatever parses is one of the readers that are asked."""

import contextlib
import os
import sys

import pytest

from fuzz.fuzzing import REFUSED, TAKEN, fuzz, read_all
from fuzz.readers import READERS
from fuzz.ways_in import ways_in
from seatrial.errors import SeatrialError

# A few hundred inputs in every run of the tests; SEATRIAL_INPUTS of them in the long one.
FEW, INPUTS = 300, int(os.environ.get("SEATRIAL_INPUTS", "100000"))

_GOES_ON = "a run that goes on: what it reads was looked through when it began, as the row damage of a run does"
# What parses, but nothing that comes from outside, or what another row reads already: module:function -> why.
NOT_ASKED = {
    "seatrial.agent.boot:boot": "a line of the host, in a process of its own that tells whatever it meets",
    "seatrial.agent.boot:is_whole": "what this user's own agent wrote, compared with its hash first",
    "seatrial.agent.environment:describe": "what this user's own agent wrote; anything else is none",
    "seatrial.agent.interpreter:_cuda": "a file of the system's own CUDA",
    "seatrial.calib.cache:store": "bytes that were made in the line before",
    "seatrial.calib.modelopt:_Reader.get_first": "files that this process wrote",
    "seatrial.calib.modelopt:_Reader.get_next": "files that this process wrote",
    "seatrial.calib.modelopt:_work": "files that this process wrote, in a process of its own",
    "seatrial.calib.modelopt:quantize_modelopt": "what a quantizer of ours wrote, in a folder of our own",
    "seatrial.calib.opset:at_qdq_opset": "the bytes of a model that was loaded",
    "seatrial.calib.static:quantize_static": "what ONNX Runtime's quantizer wrote, in a folder of our own",
    "seatrial.calib.warn:describe_rest": "metadata that this package wrote into a file of its own making",
    "seatrial.engines.boards.archive:archive": "writes",
    "seatrial.engines.graph:parsed": "the bytes of a model that was loaded",
    "seatrial.engines.graph:with_every_output": "the bytes of a model that was loaded",
    "seatrial.engines.hardware:known_runs": "a file of the package",
    "seatrial.engines.kserve.grpc:GrpcClient._values": "JSON that protobuf made of a message in the line before",
    "seatrial.engines.machine.gpus:parse_gpus": "as nvidia-smi, whose other lines a row reads",
    "seatrial.engines.onnxruntime_evidence:kernel_calls": "what ONNX Runtime wrote, in the engine's own process",
    "seatrial.engines.tensorrt.macs:node_macs": "the bytes of a model that was loaded",
    "seatrial.engines.tensorrt.timing_cache:attach": "bytes for TensorRT, which refuses what is none of its own",
    "seatrial.engines.torch_graph.reading:prepared": "the bytes of a model that was loaded",
    "seatrial.exporters.torch_sources.placed:PlacedSource.to_onnx": "a factory's file, read as any model is then",
    "seatrial.exporters.torch_sources.program:module_from_program": "in a process of its own, behind check_archive",
    "seatrial.harness.command.config:read_config": "calls read_yaml; the row configuration reads through it",
    "seatrial.harness.conditions.corruptions.digital:jpeg_compression": "a JPEG that was made in the line before",
    "seatrial.harness.conditions.corruptions.frost_textures:_photograph": "as image by opencv",
    "seatrial.harness.conditions.corruptions.frost_textures:rendered_texture": "a file of the package",
    "seatrial.harness.demo.dataset:_mend": "the demo's own digests, as any entry of the cache",
    "seatrial.harness.demo.train:_square": "made the demo's model, once",
    "seatrial.harness.guard.look:_kernels": "what an engine holds; errors of its parser are passed over",
    "seatrial.harness.records.checked:write_values": "its own text",
    "seatrial.harness.records.latencies:add_latencies": "as timed and read_samples",
    "seatrial.harness.records.rundir:RunDirectory.add_spent": _GOES_ON,
    "seatrial.harness.records.rundir:RunDirectory.begin": _GOES_ON,
    "seatrial.harness.conditions.kinds.attack.fetching:asked_for": "JSON that was made in the same line",
    "seatrial.harness.run.executors.node:Node.answer": "the driver's own line, whose run the node takes part in",
    "seatrial.harness.run.looking:look_for_causes": _GOES_ON,
    "seatrial.harness.run.run:_measure": _GOES_ON,
    "seatrial.harness.run.served:_held": _GOES_ON,
    "seatrial.harness.run.served:_keep": _GOES_ON,
    "seatrial.harness.run.forecast:_by_ledger": "spent.json, whose form is checked as it is read; the row spent.json",
    "seatrial.question:_objects": "lines of a process of ours; what is none is passed over",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("samples")


@pytest.fixture(scope="module")
def entered(root):
    """The functions that are entered while every reader reads valid samples."""
    found = set()

    def note(frame, event, _):
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("seatrial"):
            name = getattr(frame.f_code, "co_qualname", frame.f_code.co_name).replace("<locals>.", "")
            found.add(f"{module}:{name}")

    for one in {one.read: one for one in READERS.values()}.values():  # several rows share what judges a run
        samples = one.samples(root)
        path = one.path(root)
        path.parent.mkdir(parents=True, exist_ok=True)
        sys.setprofile(note)
        try:
            for content in samples:
                path.write_bytes(content)
                with contextlib.nullcontext() if not one.may_be_refused else contextlib.suppress(SeatrialError):
                    one.read(path)
        finally:
            sys.setprofile(None)
    return found


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 does not tell a function's qualified name")
def test_whatever_parses_is_asked(entered):
    ways = ways_in()
    assert NOT_ASKED.keys() <= ways, f"these parse no more: {sorted(NOT_ASKED.keys() - ways)}"
    forgotten = ways - NOT_ASKED.keys() - entered
    assert not forgotten, "a way in that no reader in tests/fuzz/readers asks"


def test_a_few_hundred_inputs_end_as_they_should(root):
    names = [name for name, one in READERS.items() if one.weight > 1 and not one.needs]
    told = [one for one in read_all(root, FEW, 1, only=names) if "outcome" in one]
    assert len(told) > FEW / 2
    assert {one["reader"] for one in told} == set(names)
    faults = [f"{one['reader']} #{one['at']}: {one['says']}" for one in told if one["outcome"] is None]
    assert not faults, "\n".join(faults)
    assert {one["outcome"] for one in told} == {TAKEN, REFUSED}


@pytest.mark.long
def test_very_many_inputs_end_as_they_should():
    found = fuzz(INPUTS, seed=2)
    assert not found.faults, "\n".join(f"{one.reader} #{one.index}: {one.says}" for one in found.faults)
