"""`bench.py export`: one verified file from any source."""

import json
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import bench, make_folders, make_model
from onnx import TensorProto, helper, numpy_helper
from onnx_files import untidy

from seatrial import engines, exporters
from seatrial.engines.base import BuildRequest
from seatrial.exporters.contract import read_class_names, read_contract
from seatrial.harness.export.verify import verify

PRESET = ("--preset", "cifar10")


# PyTorch computes all images in minutes: with the source, a tenth of them is compared.
@pytest.mark.parametrize(
    ("name", "right", "count"),
    [
        ("resnet20", 9173, 1000),
        pytest.param("resnet20", 9173, 10000, marks=pytest.mark.long),
        pytest.param("resnet56", 9339, 1000, marks=pytest.mark.long),
    ],
)
def test_a_pytorch_resnet_answers_alike_and_is_as_right_as_published(shared, tmp_path, name, right, count):
    out = tmp_path / f"{name}.onnx"
    done = bench(
        [
            *("export", "--model", f"{shared}/models/torch/cifar_resnet.py:{name}", *PRESET),
            *("--weights", shared / f"models/torch/cifar10_{name}.pt", "--out", out),
            *("--data", shared / "data/cifar10/test.npz", "--json", tmp_path / "r.json", "--limit", count),
        ]
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "r.json").read_text())["verified"]
    assert found["images"] == found["agreement"] == count
    assert found["source_top1"] == found["exported_top1"]
    assert count < 10000 or found["source_top1"] == right
    assert found["max_difference"] < 1e-4
    with np.load(shared / "data/cifar10/test.npz", allow_pickle=False) as data:  # and once more, without seatrial
        images, labels = data["images"], data["labels"]
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    predicted = [
        session.run(None, {"input": ((part.astype(np.float32) / 255 - mean) / std).transpose(0, 3, 1, 2)})[0].argmax(1)
        for part in np.split(images, 20)
    ]
    assert int((np.concatenate(predicted) == labels).sum()) == right


@pytest.fixture
def folders(tmp_path):
    return make_folders(tmp_path / "test")


def export(tmp_path, *words):
    done = bench(["export", "--out", tmp_path / "out.onnx", "--json", tmp_path / "r.json", *words])
    report = json.loads((tmp_path / "r.json").read_text()) if (tmp_path / "r.json").exists() else None
    return done, report


def test_an_onnx_file_gets_contract_and_names(tmp_path, model_file, folders):
    (tmp_path / "names.txt").write_text("class0\nclass1\nclass2\nclass3\n")
    done, report = export(
        *(tmp_path, "--model", model_file, "--size", "16", "--mean", "0.4", "--data", folders),
        *("--classes", tmp_path / "names.txt"),
    )
    assert done.returncode == 0, done.stderr
    written = onnx.load(tmp_path / "out.onnx")
    assert read_class_names(written) == ("class0", "class1", "class2", "class3")
    assert read_contract(written).mean == (0.4, 0.4, 0.4)
    assert report["verified"]["agreement"] == report["verified"]["images"] == 24
    assert exporters.load(tmp_path / "out.onnx").contract.size == (16, 16), "no flags needed any more"


def test_without_data_the_demos_images_are_compared(tmp_path, model_file):
    done, report = export(tmp_path, "--model", model_file, "--size", "16", "--limit", "20")
    assert done.returncode == 0, done.stderr
    assert report["verified"]["data"] == "the demo's images"
    assert report["verified"]["source_top1"] is None


def test_an_untidy_graph_is_simplified_and_answers_alike(tmp_path, folders):
    make_model(tmp_path / "untidy.onnx", change=untidy)
    words = ("--model", tmp_path / "untidy.onnx", "--size", "16", "--data", folders)
    done, report = export(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    kinds = {node.op_type for node in onnx.load(tmp_path / "out.onnx").graph.node}
    assert kinds == {"Conv", "Relu", "ReduceMean", "Gemm"}
    assert report["nodes"]["file"] < report["nodes"]["source"] == 13
    done, report = export(tmp_path, *words, "--no-simplify")
    assert done.returncode == 0, done.stderr
    assert report["nodes"]["file"] == 13


def frozen(model):
    """A batch of 1 in the border and in the target of a Reshape."""
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 32], np.int64), "target"))
    model.graph.node.insert(5, helper.make_node("Reshape", ["pooled", "target"], ["flat"], name="flat"))
    model.graph.node[6].input[0] = "flat"


def test_a_frozen_batch_is_freed_on_request(tmp_path, folders):
    make_model(tmp_path / "frozen.onnx", change=frozen)
    words = ("--model", tmp_path / "frozen.onnx", "--size", "16", "--data", folders, "--no-simplify")
    assert export(tmp_path, *words)[0].returncode == 0
    assert exporters.load(tmp_path / "out.onnx").fixed_batch == 1
    done, _ = export(tmp_path, *words, "--batch", "free")
    assert done.returncode == 0, done.stderr
    model = exporters.load(tmp_path / "out.onnx")
    assert model.fixed_batch is None
    session = onnxruntime.InferenceSession(model.onnx_bytes, providers=["CPUExecutionProvider"])
    assert session.run(None, {"input": np.zeros((5, 3, 16, 16), np.float32)})[0].shape == (5, 4)
    assert export(tmp_path, *words, "--batch", "3")[0].returncode == 0
    assert exporters.load(tmp_path / "out.onnx").fixed_batch == 3


CODE = """
import torch
from torch import nn


class Net(nn.Module):
    # Tracing takes the branch of its example, zeros, for every image.
    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 4)

    def forward(self, x):
        x = torch.relu(self.first(x))
        x = self.second(x)
        return self.head(x.mean((2, 3)) + GAIN * (not torch.compiler.is_compiling()))


def net():
    torch.manual_seed(0)
    return Net()
"""


def test_a_file_that_answers_otherwise_is_not_shipped(tmp_path, folders):
    (tmp_path / "nets.py").write_text(CODE.replace("GAIN", "10.0"))
    done, report = export(tmp_path, "--model", f"{tmp_path / 'nets.py'}:net", "--size", "16", "--data", folders)
    assert done.returncode == 1, done.stderr
    assert not (tmp_path / "out.onnx").exists()
    assert (tmp_path / "out.differs.onnx").exists()
    assert "does NOT answer like" in done.stdout
    assert not report["verified"]["same"]


def test_the_layer_at_which_two_graphs_part_is_named(tmp_path):
    """One weight of the second convolution is another: everything before agrees, nothing from there on."""
    rng = np.random.default_rng(0)
    good = exporters.load(make_model(tmp_path / "good.onnx"), contract=exporters.ContractOptions(size=(16, 16)))
    broken = onnx.load(tmp_path / "good.onnx")
    weight = next(tensor for tensor in broken.graph.initializer if tensor.name == "w2")
    values = numpy_helper.to_array(weight).copy()
    values[0] = -values[0]
    weight.CopyFrom(numpy_helper.from_array(values, "w2"))

    def build(raw):
        return engines.build("onnxruntime", BuildRequest(raw, "input", "logits", (3, 16, 16), 4))

    class Images:
        pixels = rng.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)

        def __len__(self):
            return 40

        def read(self, start, stop):
            return self.pixels[start:stop]

    with build(good.onnx_bytes) as source, build(broken.SerializeToString()) as other:
        found = verify(source, other, Images(), good.contract)
        same = verify(source, source, Images(), good.contract)
    assert (found.parts.name, found.parts.after) == ("c2", "r1")
    assert found.max_difference > 0.01
    assert same.same
    assert same.parts is None


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ((), 2, "needs --model"),
        (("--model", "m.onnx", "--out", "m.txt"), 2, "no .onnx file"),
        (("--model", "missing.onnx", "--size", "16"), 2, "no model file"),
        (("--model", "small.onnx"), 2, "no input contract"),
        (("--model", "small.onnx", "--size", "16", "--batch", "0"), 2, "--batch is 0"),
        (("--model", "small.onnx", "--size", "16", "--batch", "many"), 2, "--batch"),
        (("--model", "small.onnx", "--size", "16", "--data", "missing"), 2, "no data at"),
        (("--model", "w.pt", "--size", "16"), 2, "without their network"),
    ],
)
def test_errors_say_what_to_do(tmp_path, monkeypatch, model_file, words, status, says):
    monkeypatch.chdir(tmp_path)
    out = () if "--out" in words else ("--out", "out.onnx")
    done = bench(["export", *words, *out])
    assert done.returncode == status, done.stderr
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_run_takes_a_factory_too(tmp_path, shared, folders):
    """The whole way from a module to the int8 engine's report, without an ONNX file in between."""
    shutil.copy(shared / "models/torch/cifar_resnet.py", tmp_path / "nets.py")
    done = bench(
        [
            *("--model", f"{tmp_path / 'nets.py'}:resnet20", *PRESET, "--suite", "quick", "--limit", "64"),
            *("--weights", shared / "models/torch/cifar10_resnet20.pt", "--data", shared / "data/cifar10/test.npz"),
            *("--calib", shared / "data/cifar10/calib.npz", "--calib-limit", "32", "--out", tmp_path / "run"),
        ]
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["model"]["name"] == "cifar10_resnet20"
    assert [target["id"] for target in summary["targets"]] == ["onnxruntime/fp32@cpu", "onnxruntime/int8@cpu"]
    assert summary["targets"][0]["conditions"]["clean"]["top1"] > 0.8


def test_several_outputs_of_a_module_are_chosen_by_name(tmp_path, folders):
    (tmp_path / "nets.py").write_text(
        "import torch\nfrom torch import nn\n\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.c = nn.Conv2d(3, 8, 3)\n"
        "        self.h = nn.Linear(8, 4)\n"
        "    def forward(self, x):\n        f = self.c(x).mean((2, 3))\n        return f, self.h(f)\n"
    )
    words = ("--model", f"{tmp_path / 'nets.py'}:Net", "--size", "16", "--data", folders)
    done, _ = export(tmp_path, *words)
    assert done.returncode == 2
    assert "--output" in done.stderr
    done, report = export(tmp_path, *words, "--output", "linear")
    assert done.returncode == 0, done.stderr
    assert report["verified"]["same"]
    assert [value.name for value in onnx.load(tmp_path / "out.onnx").graph.output] == ["linear"]


def test_weights_in_another_file_are_taken_in(tmp_path, folders):
    folder = tmp_path / "m"
    folder.mkdir()
    model = onnx.load(make_model(tmp_path / "small.onnx"))
    onnx.save(model, folder / "big.onnx", save_as_external_data=True, location="big.bin", size_threshold=0)
    assert (folder / "big.bin").stat().st_size > 1000
    done, _ = export(tmp_path, "--model", folder / "big.onnx", "--size", "16", "--data", folders)
    assert done.returncode == 0, done.stderr
    alone = onnx.load(tmp_path / "out.onnx", load_external_data=False)
    assert all(tensor.data_location == TensorProto.DEFAULT for tensor in alone.graph.initializer)


def test_a_program_is_exported(tmp_path, folders):
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Flatten(), torch.nn.Linear(8 * 14 * 14, 4)).eval()
    shapes = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(net, (torch.zeros(2, 3, 16, 16),), dynamic_shapes=shapes), tmp_path / "n.pt2")
    done, report = export(tmp_path, "--model", tmp_path / "n.pt2", "--size", "16", "--data", folders)
    assert done.returncode == 0, done.stderr
    assert report["verified"]["same"]
