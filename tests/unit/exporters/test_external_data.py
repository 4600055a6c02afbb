"""Weights in other files: read from the model's own folder, and from nowhere else."""

import os
import time

import numpy as np
import onnx
import pytest
from conftest import make_model
from onnx import TensorProto, helper, numpy_helper
from onnx_files import external, point_elsewhere, value_info

from seatrial import exporters
from seatrial.errors import BadInputError

SMALL = exporters.ContractOptions(size=(16, 16))


@pytest.fixture
def file(tmp_path):
    return external(make_model(tmp_path / "m.onnx"))


def test_the_model_is_whole_and_the_same(tmp_path, file):
    (tmp_path / "other").mkdir()
    alone = exporters.load(make_model(tmp_path / "other/m.onnx"), contract=SMALL)
    with_others = exporters.load(file, contract=SMALL)
    assert file.stat().st_size < 3000 < (tmp_path / "weights/part.bin").stat().st_size
    assert with_others.digest == alone.digest


def test_what_onnx_itself_writes_is_read(tmp_path):
    (tmp_path / "other").mkdir()
    path = make_model(tmp_path / "m.onnx")
    onnx.save_model(
        onnx.load(path), tmp_path / "other/m.onnx", save_as_external_data=True, size_threshold=0, location="m.onnx.data"
    )
    assert exporters.load(tmp_path / "other/m.onnx", contract=SMALL).classes == 4
    assert (
        exporters.load(tmp_path / "other/m.onnx", contract=SMALL).digest == exporters.load(path, contract=SMALL).digest
    )


def test_constants_and_subgraphs_may_lie_elsewhere_too(tmp_path):
    raw = np.arange(4, dtype=np.float32).tobytes()
    (tmp_path / "part.bin").write_bytes(b"xx" + raw)

    def elsewhere(name):
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4])
        point_elsewhere(tensor, "part.bin", offset=2, length=16)
        return tensor

    def change(model):
        inner = helper.make_node("Constant", [], ["inner"])
        inner.attribute.append(helper.make_attribute("value", elsewhere("deep")))
        outer = helper.make_node("Constant", [], ["outer"])
        outer.attribute.append(helper.make_attribute("value", elsewhere("")))
        body = helper.make_graph(
            [inner, helper.make_node("Add", ["inner", "also"], ["sum"])],
            "body",
            [],
            [value_info("sum", TensorProto.FLOAT, [4])],
            [elsewhere("also")],
        )
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
        model.graph.node[-1].output[0] = "raw"
        model.graph.node.extend(
            [
                outer,
                helper.make_node("If", ["yes"], ["chosen"], then_branch=body, else_branch=body, name="if"),
                helper.make_node("Add", ["raw", "chosen"], ["half"]),
                helper.make_node("Add", ["half", "outer"], ["logits"]),
            ]
        )

    model = exporters.load(make_model(tmp_path / "m.onnx", change=change), contract=SMALL)
    assert b"part.bin" not in model.onnx_bytes
    assert model.onnx_bytes.count(raw) == 5


def spoil(file, **entries):
    model = onnx.load(file, load_external_data=False)
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "w2")
    kept = {entry.key: entry.value for entry in tensor.external_data} | entries
    point_elsewhere(tensor, kept.pop("location"), **kept)
    file.write_bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"location": "../secret.bin"}, "outside the model's folder"),
        ({"location": "weights/../../secret.bin"}, "outside the model's folder"),
        ({"location": "/etc/passwd"}, "outside the model's folder"),
        ({"location": "..\\secret.bin"}, "outside the model's folder"),
        ({"location": ""}, "outside the model's folder"),
        ({"location": "nowhere.bin"}, "is missing"),
        ({"location": "weights"}, "no regular file"),
        ({"location": "weights/part.bin/more"}, "cannot be opened"),
        ({"location": "weights/link.bin"}, "no link may lead there"),
        ({"location": "linked/part.bin"}, "no link may lead there"),
        ({"location": "weights/pipe"}, "no regular file"),
        ({"offset": "100000000"}, "needs bytes"),
        ({"offset": "-4"}, "has the offset '-4'"),
        ({"offset": "1e3"}, "has the offset"),
        ({"offset": "9" * 30}, "has the offset"),
        ({"length": "18431"}, "takes 18432 bytes by its shape and 18431"),
        ({"length": "0"}, "takes 18432 bytes by its shape and 0"),
        ({"length": "99999999999999"}, "takes 18432 bytes by its shape"),
    ],
)
def test_everything_else_is_refused(tmp_path, file, entries, says):
    (tmp_path.parent / "secret.bin").write_bytes(bytes(100_000))
    (tmp_path / "weights/link.bin").symlink_to(tmp_path / "weights/part.bin")
    (tmp_path / "linked").symlink_to(tmp_path / "weights")
    os.mkfifo(tmp_path / "weights/pipe")
    spoil(file, **entries)
    begin = time.monotonic()
    with pytest.raises(BadInputError, match="'w2'") as caught:
        exporters.load(file, contract=SMALL)
    assert says in str(caught.value)
    assert "save_as_external_data=False" in str(caught.value)
    assert time.monotonic() - begin < 60


def test_a_name_that_is_no_text_is_refused(tmp_path, file):
    spoil(file, location="weights/nowhere.bin")
    file.write_bytes(file.read_bytes().replace(b"nowhere.bin", b"nowher\xff.bin"))
    with pytest.raises(BadInputError, match="is no text"):
        exporters.load(file, contract=SMALL)


def test_a_device_is_no_file(tmp_path, file):
    if os.geteuid() != 0:
        pytest.skip("only root makes devices")
    try:
        os.mknod(tmp_path / "weights/zero", 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("no devices may be made here")
    spoil(file, location="weights/zero")
    with pytest.raises(BadInputError, match=r"no regular file|cannot be opened"):
        exporters.load(file, contract=SMALL)


def test_a_short_file_is_refused(tmp_path, file):
    part = tmp_path / "weights/part.bin"
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(BadInputError, match="needs bytes"):
        exporters.load(file, contract=SMALL)


def test_values_here_and_elsewhere_contradict(tmp_path, file):
    model = onnx.load(file, load_external_data=False)
    model.graph.initializer[0].raw_data = b"1234"
    file.write_bytes(model.SerializeToString())
    with pytest.raises(BadInputError, match="here and in another file"):
        exporters.load(file, contract=SMALL)


def test_more_than_a_graph_can_hold_is_refused_before_it_is_read(tmp_path, file):
    with (tmp_path / "weights/huge.bin").open("wb") as stream:
        stream.truncate(3 << 30)  # sparse: it takes no space
    model = onnx.load(file, load_external_data=False)
    for index in range(3):
        tensor = TensorProto(name=f"huge{index}", data_type=TensorProto.FLOAT, dims=[1 << 18, 1 << 10])
        point_elsewhere(tensor, "weights/huge.bin")
        model.graph.initializer.append(tensor)
    file.write_bytes(model.SerializeToString())
    begin = time.monotonic()
    with pytest.raises(BadInputError, match="above 2 GiB"):
        exporters.load(file, contract=SMALL)
    assert time.monotonic() - begin < 60
