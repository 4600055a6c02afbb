"""Sources that PyTorch loads: factories with weights, .pt2 programs, safetensors; and files that are none."""

import dataclasses
import io
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from seatrial import exporters
from seatrial.errors import BadInputError, BuildError, UsageError
from seatrial.exporters import ContractOptions
from seatrial.exporters.sources import OnnxSource, open_source
from seatrial.exporters.torch_sources.factory import module_from_factory
from seatrial.exporters.torch_sources.module import TorchSource
from seatrial.exporters.torch_sources.program import check_archive
from seatrial.exporters.torch_sources.state_dict import load_weights

TINY = ContractOptions(size=(12, 12), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
CODE = """
import torch
from torch import nn
from siblings import WIDTH


class Net(nn.Module):
    def __init__(self, classes=5):
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(WIDTH)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(WIDTH, classes)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        return self.head(self.drop(x.mean((2, 3))))


def net():
    return Net()


def broken():
    raise RuntimeError("no such thing")


number = 3
"""


@pytest.fixture
def factory(tmp_path):
    (tmp_path / "siblings.py").write_text("WIDTH = 8\n")
    (tmp_path / "nets.py").write_text(CODE)
    return tmp_path / "nets.py"


@pytest.fixture
def module(factory):
    torch.manual_seed(0)
    made = module_from_factory(factory, "net")
    with torch.no_grad():
        made.norm.running_mean.uniform_(-1, 1)
        made.norm.running_var.uniform_(0.5, 2)
    return made.eval()


def here(factory):
    """The factory's module in this process, which spares the imports of another."""
    return TorchSource("net", module_from_factory(factory, "net"))


def images(count=7, size=12):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def answers(model, tensor):
    session = onnxruntime.InferenceSession(model.onnx_bytes, providers=["CPUExecutionProvider"])
    return session.run([model.output_name], {model.input_name: tensor})[0]


def test_a_factory_with_weights_becomes_a_deployable_model(factory, module, tmp_path):
    torch.save(module.state_dict(), tmp_path / "w.pt")
    source = open_source(f"{factory}:net", tmp_path / "w.pt")
    model = exporters.deploy(source, contract=TINY)
    assert (model.name, model.classes, model.fixed_batch) == ("w", 5, None)
    assert {node.op_type for node in model.proto.graph.node} <= {"Conv", "Relu", "ReduceMean", "Gemm"}, "folded"
    assert exporters.onnx_file.read_contract(model.proto) == model.contract
    tensor = model.contract.normalise(images())
    with torch.no_grad():
        expected = module(torch.from_numpy(tensor)).numpy()
    np.testing.assert_allclose(answers(model, tensor), expected, atol=1e-5)
    np.testing.assert_allclose(source.infer(tensor), expected, atol=1e-6)


def test_the_same_source_gives_the_same_bytes(factory, module, tmp_path):
    torch.save(module.state_dict(), tmp_path / "w.pt")
    there = exporters.load(f"{factory}:net", weights=tmp_path / "w.pt", contract=TINY)
    loaded = here(factory)
    load_weights(loaded.module, tmp_path / "w.pt")
    digests = {there.digest, exporters.deploy(dataclasses.replace(loaded, name="w"), contract=TINY).digest}
    assert len(digests) == 1


def test_no_path_of_this_machine_is_in_the_file(factory, tmp_path):
    model = exporters.deploy(here(factory), contract=TINY)
    assert str(tmp_path).encode() not in model.onnx_bytes
    assert b"nets" not in model.onnx_bytes


def test_intermediates_bear_the_names_of_the_onnx_graph(factory):
    source = here(factory)
    model = exporters.deploy(source, contract=TINY)
    tensor = model.contract.normalise(images(2))
    values = source.intermediates(tensor)
    names = [name for node in model.proto.graph.node for name in node.output]
    assert set(names) <= set(values)
    np.testing.assert_allclose(values["logits"], source.infer(tensor), atol=1e-6)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module."])
def test_checkpoints_are_unwrapped(factory, module, tmp_path, wrap, prefix):
    torch.save(wrap({prefix + key: value for key, value in module.state_dict().items()}), tmp_path / "c.pt")
    loaded = module_from_factory(factory, "net")
    load_weights(loaded, tmp_path / "c.pt")
    assert all(torch.equal(value, module.state_dict()[key]) for key, value in loaded.state_dict().items())


def test_safetensors(factory, module, tmp_path):
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    loaded = module_from_factory(factory, "net")
    load_weights(loaded, tmp_path / "w.safetensors")
    assert all(torch.equal(value, module.state_dict()[key]) for key, value in loaded.state_dict().items())


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil-was-here",)


def test_a_pickle_is_not_run(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"stem.weight": Evil()}, tmp_path / "w.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Evil()))
    for name in ("w.pt", "plain.pt"):
        with pytest.raises(BadInputError, match="nothing else is unpickled"):
            load_weights(module, tmp_path / name)
    assert not (tmp_path / "evil-was-here").exists()


def test_weights_that_do_not_fit_say_how(module, tmp_path):
    state = module.state_dict()
    torch.save({key: value for key, value in state.items() if key != "head.bias"}, tmp_path / "less.pt")
    torch.save({**state, "more": torch.zeros(1)}, tmp_path / "more.pt")
    torch.save({**state, "head.bias": torch.zeros(7)}, tmp_path / "shape.pt")
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    (tmp_path / "text.pt").write_text("hello")
    (tmp_path / "text.safetensors").write_text("hello")
    for name, says in (
        ("less.pt", r"1 missing \(head.bias\)"),
        ("more.pt", r"1 unexpected \(more\)"),
        ("shape.pt", "size mismatch"),
        ("tensor.pt", "not a state dict"),
        ("text.pt", "text.pt"),
        ("text.safetensors", "not a readable"),
    ):
        with pytest.raises(BadInputError, match=says):
            load_weights(module, tmp_path / name)


def test_a_checkpoint_that_says_it_spans_several_disks_is_damaged(module, tmp_path):
    torch.save(module.state_dict(), tmp_path / "w.pt")
    content = (tmp_path / "w.pt").read_bytes()
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 3)
    (tmp_path / "w.pt").write_bytes(content[:-22] + locator + content[-22:])
    with pytest.raises(BadInputError, match="is damaged"):
        load_weights(module, tmp_path / "w.pt")


def test_a_packed_checkpoint_is_left_packed(module, tmp_path):
    torch.save(module.state_dict(), tmp_path / "w.pt")
    with zipfile.ZipFile(tmp_path / "w.pt") as plain, zipfile.ZipFile(tmp_path / "bomb.pt", "w", 8) as packed:
        for member in plain.namelist():
            packed.writestr(member, plain.read(member))
        packed.writestr("archive/data/99", bytes(200 << 20))
    with pytest.raises(BadInputError, match="compressed members"):
        load_weights(module, tmp_path / "bomb.pt")


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("nets.py", UsageError, "Which function"),
        ("nets.py:nothing", UsageError, "has no 'nothing'.*net"),
        ("nets.py:broken", BadInputError, "no such thing"),
        ("nets.py:number", BadInputError, "number"),
        ("missing.py:net", UsageError, "no file"),
        ("weights.pt", UsageError, "without their network"),
        ("what", UsageError, "no model 'what'"),
    ],
)
def test_what_is_no_source(factory, text, error, says, monkeypatch):
    monkeypatch.chdir(factory.parent)
    with pytest.raises(error, match=says):
        open_source(text)


def test_code_that_does_not_import(tmp_path):
    (tmp_path / "bad.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(BadInputError, match="nothing_of_that_name"):
        open_source(f"{tmp_path / 'bad.py'}:net")


def test_an_onnx_file_is_a_source_and_takes_no_weights(tmp_path):
    assert open_source("m.onnx") == OnnxSource(tmp_path.joinpath("m.onnx").relative_to(tmp_path))
    with pytest.raises(UsageError, match="--weights"):
        open_source("m.onnx", tmp_path / "w.pt")


class FixedView(nn.Module):
    """Its shapes need a known batch."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3 * 12 * 12, 4)

    def forward(self, x):
        return self.head(x.reshape(int(x.shape[0]) if x.shape[0] == 1 else 2, -1))


def test_a_module_without_free_batch_exports_frozen(tmp_path):
    source = TorchSource("fixed", FixedView())
    with pytest.raises(BuildError, match="--batch 1"):
        exporters.deploy(source, contract=TINY)
    assert exporters.deploy(source, contract=TINY, batch=1).fixed_batch == 1


def test_half_precision_modules_are_no_source(module):
    with pytest.raises(BadInputError, match=r"torch\.float16"):
        TorchSource("half", module.half())


@pytest.fixture
def program(module, tmp_path):
    module.eval()
    batch = torch.export.Dim("batch")
    exported = torch.export.export(module, (torch.zeros(2, 3, 12, 12),), dynamic_shapes=({0: batch},))
    torch.export.save(exported, tmp_path / "net.pt2")
    return tmp_path / "net.pt2"


def test_a_program_is_a_source(program, module):
    model = exporters.load(program, contract=TINY)
    assert (model.name, model.fixed_batch, model.classes) == ("net", None, 5)
    tensor = model.contract.normalise(images())
    with torch.no_grad():
        np.testing.assert_allclose(answers(model, tensor), module(torch.from_numpy(tensor)).numpy(), atol=1e-5)


def test_a_program_that_was_traced_at_a_batch_stays_at_it(module, tmp_path):
    torch.export.save(torch.export.export(module.eval(), (torch.zeros(4, 3, 12, 12),)), tmp_path / "four.pt2")
    source = open_source(str(tmp_path / "four.pt2"))
    model = exporters.deploy(source, contract=TINY)
    assert model.fixed_batch == 4
    tensor = model.contract.normalise(images(7))
    with torch.no_grad():
        np.testing.assert_allclose(source.infer(tensor), module(torch.from_numpy(tensor)).numpy(), atol=1e-6)
    assert source.intermediates(tensor[:1])["logits"].shape == (4, 5)


def test_a_program_in_training_mode_is_refused(module, tmp_path):
    torch.export.save(torch.export.export(module.train(), (torch.zeros(4, 3, 12, 12),)), tmp_path / "train.pt2")
    with pytest.raises(BadInputError, match="training mode"):
        open_source(str(tmp_path / "train.pt2"))


def rewritten(program, change, extra=()):
    """The archive with its model JSON changed and members added."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(program) as plain, zipfile.ZipFile(buffer, "w") as other:
        for member in plain.namelist():
            content = plain.read(member)
            if "/models/" in member:
                graph = json.loads(content)
                change(graph)
                content = json.dumps(graph).encode()
            other.writestr(member, content)
        root = plain.namelist()[0].split("/")[0]
        for name, content in extra:
            other.writestr(f"{root}/{name}", content)
    program.write_bytes(buffer.getvalue())
    return program


def first_node(graph):
    return graph["graph_module"]["graph"]["nodes"][0]


def call_a_loader(graph):
    first_node(graph)["target"] = "torch.ops.load_library"


def call_the_system(graph):
    first_node(graph)["target"] = "torch.os.system"


def map_a_file(graph):
    first_node(graph)["target"] = "torch.ops.aten.from_file.default"


def run_in_a_size(graph):
    sizes = next(iter(graph["graph_module"]["graph"]["tensor_values"].values()))["sizes"]
    sizes[0] = {"as_expr": {"expr_str": "__import__('os').system('touch evil-was-here')", "hint": {"as_int": 2}}}


def tower_of_powers(graph):
    sizes = next(iter(graph["graph_module"]["graph"]["tensor_values"].values()))["sizes"]
    sizes[0] = {"as_expr": {"expr_str": "9**9**9**9", "hint": {"as_int": 2}}}


@pytest.mark.parametrize("change", [call_a_loader, call_the_system, map_a_file, run_in_a_size, tower_of_powers])
def test_a_program_runs_nothing_that_it_brings(program, change, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInputError, match=r"net\.pt2 (calls|has the size expression)"):
        open_source(str(rewritten(program, change)))
    assert not (tmp_path / "evil-was-here").exists()


@pytest.mark.parametrize(
    "member", ["data/aotinductor/model/evil.so", "data/constants/opaque_obj_0", "data/constants/custom_obj_0"]
)
def test_a_program_brings_no_objects_and_no_libraries(program, member):
    with pytest.raises(BadInputError, match=member):
        open_source(str(rewritten(program, lambda graph: None, [(member, pickle.dumps(Evil()))])))


def test_pickled_samples_are_not_run(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    torch.save((Evil(),), buffer)
    with zipfile.ZipFile(program) as plain:
        members = {name: plain.read(name) for name in plain.namelist()}
    with zipfile.ZipFile(program, "w") as other:
        for name, content in members.items():
            other.writestr(name, buffer.getvalue() if "/sample_inputs/" in name else content)
    with pytest.raises(BadInputError, match="does not load"):
        open_source(str(program))
    assert not (tmp_path / "evil-was-here").exists()


def test_noise_is_no_program(tmp_path):
    for content in (b"", b"PK\x03\x04" + b"\xff" * 100, b"hello" * 100):
        (tmp_path / "n.pt2").write_bytes(content)
        with pytest.raises(BadInputError, match=r"n\.pt2"):
            check_archive(tmp_path / "n.pt2")


def test_the_checker_takes_what_was_exported(factory):
    onnx.checker.check_model(exporters.deploy(here(factory), contract=TINY).proto, full_check=True)
