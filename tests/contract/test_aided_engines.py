"""Engines of other packages, which read their audit where they run, and engines derived from ours."""

import numpy as np
import pytest
from conftest import make_model

from seatrial import engines
from seatrial.engines import ENGINES, Audit, BuildRequest, Layer
from seatrial.engines.graph import named_nodes
from seatrial.engines.places import build


@pytest.fixture
def request_small(model_file):
    return BuildRequest(model_file.read_bytes(), "input", "logits", (3, 16, 16), 4)


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A module of another package's, with engines that fill in no more than they had to before."""
    (tmp_path / "their_engines.py").write_text(
        """
import numpy as np
from seatrial.engines import Audit, Engine, Layer
from seatrial.engines.onnxruntime import OnnxRuntimeEngine


class Alone(Engine):
    name = "alone"
    manifest = {"cpu": ("fp32",)}

    def _build(self):
        self.engine_bytes = 1

    def _infer(self, batch):
        return np.zeros((len(batch), self.request.columns), np.float32)

    def _read_audit(self):
        return Audit((Layer("all", "mine", 7, "fp32", "fp64"),), {"nothing": 2})

    def _intermediates(self, batch, names):
        return {"twice": batch * 2}


class Derived(OnnxRuntimeEngine):
    name = "derived"

    def _read_audit(self):
        audit = super()._read_audit()
        return Audit(audit.layers[:1], {})

    def _intermediates(self, batch, names):
        return {name: -value for name, value in super()._intermediates(batch, names).items()}


class Plain(OnnxRuntimeEngine):
    name = "plain"
"""
    )
    monkeypatch.syspath_prepend(tmp_path)
    import their_engines

    for engine in (their_engines.Alone, their_engines.Derived, their_engines.Plain):
        if engine.name not in ENGINES:
            ENGINES.register(engine.name)(engine)
    yield
    for name in ("alone", "derived", "plain"):
        ENGINES._parts.pop(name, None)


def test_engines_that_read_their_audit_themselves_do_so_at_every_place(theirs, request_small):
    batch = np.random.default_rng(0).standard_normal((2, 3, 16, 16), dtype=np.float32)
    with engines.build("onnxruntime", request_small) as ours:
        audit, values = ours.audit(), ours.intermediates(batch, ["r1"])
    for make in (engines.build, build):
        with make("alone", request_small) as engine:
            assert engine.audit() == Audit((Layer("all", "mine", 7, "fp32", "fp64"),), {"nothing": 2})
            np.testing.assert_array_equal(engine.intermediates(batch)["twice"], batch * 2)
        with make("derived", request_small) as engine:
            assert engine.audit() == Audit(audit.layers[:1], {})
            np.testing.assert_array_equal(engine.intermediates(batch, ["r1"])["r1"], -values["r1"])
        with make("plain", request_small) as engine:
            assert engine.audit() == audit
            np.testing.assert_array_equal(engine.intermediates(batch, ["r1"])["r1"], values["r1"])


def test_a_graph_is_prepared_once_for_the_engine_that_builds_it(tmp_path, request_small):
    import dataclasses

    import onnx

    model = onnx.load_model_from_string(request_small.onnx_bytes)
    for node in model.graph.node:
        node.name = ""
    bare = dataclasses.replace(request_small, onnx_bytes=model.SerializeToString())
    prepared = ENGINES["onnxruntime"].prepare(bare)
    assert prepared.onnx_bytes == named_nodes(bare.onnx_bytes) != bare.onnx_bytes
    assert ENGINES["onnxruntime"].prepare(prepared) is prepared
    assert ENGINES["openvino"].prepare(bare).onnx_bytes is bare.onnx_bytes
    assert named_nodes(prepared.onnx_bytes) is prepared.onnx_bytes
    assert named_nodes(b"no graph") == b"no graph"
    with engines.build("onnxruntime", bare) as engine:
        assert engine.request == prepared
        assert all(layer.name for layer in engine.audit().layers)
    other = ENGINES["onnxruntime"].prepare(dataclasses.replace(bare, prepared="openvino"))
    assert other == prepared


def test_names_change_no_answer(tmp_path):
    import dataclasses

    import onnx

    batch = np.random.default_rng(0).standard_normal((4, 3, 16, 16), dtype=np.float32)
    content = make_model(tmp_path / "named.onnx").read_bytes()
    model = onnx.load_model_from_string(content)
    for node in model.graph.node:
        node.name = ""
    named = BuildRequest(content, "input", "logits", (3, 16, 16), 4)
    nameless = dataclasses.replace(named, onnx_bytes=model.SerializeToString())
    with engines.build("onnxruntime", named) as one, engines.build("onnxruntime", nameless) as other:
        assert one.infer(batch).tobytes() == other.infer(batch).tobytes()
