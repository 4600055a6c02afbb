"""Specs as JSON values, and back."""

import dataclasses
import json
import math
import os
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.calib.options import INT4_METHODS, QUANTIZERS, RANGES, RESTS, QuantizeOptions
from seatrial.engines.boards import Board
from seatrial.engines.builder_options import BuilderOptions
from seatrial.engines.kserve.endpoint import Endpoint
from seatrial.engines.places import Limits
from seatrial.engines.precision import BITS
from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.errors import BadInputError, SeatrialError, UsageError
from seatrial.exporters import ContractOptions
from seatrial.harness.spec.attacks import AttackOptions
from seatrial.harness.spec.build import BuildSpec
from seatrial.harness.spec.calibration import CalibrationSource
from seatrial.harness.spec.conditions import ConditionsAsked
from seatrial.harness.spec.contract import MIN_IMAGES, ContractSpec
from seatrial.harness.spec.diff import VALUES, DiffSpec
from seatrial.harness.spec.export import ExportSpec
from seatrial.harness.spec.gate import LIMITS, Asked, GateOptions, Limit
from seatrial.harness.spec.images import ImageSource
from seatrial.harness.spec.kept import SCHEMA, anywhere, from_dict, to_dict
from seatrial.harness.spec.model import ModelSource
from seatrial.harness.spec.quantize import QuantizeSpec
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.shard import Shard
from seatrial.harness.spec.targets import OPTIMIZATIONS, Targets, TargetSpec
from seatrial.harness.spec.timing import TimingOptions
from seatrial.harness.spec.work import WorkOptions

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
paths = words.map(Path)
precisions = st.sampled_from([*BITS.values(), "bf16", "sim-w4a4"])
counts = st.integers(1, 4096)
enough = st.integers(MIN_IMAGES, 10**9)  # images of a contract
seeds = st.integers(0, 2**63 - 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
sizes = st.tuples(counts, counts)


def maybe(values):
    return st.none() | values


def of(kind, **fields):
    """Every field of `kind`: one that is forgotten here fails the test."""
    assert set(fields) == {field.name for field in dataclasses.fields(kind)}
    return st.builds(kind, **fields)


target = of(
    TargetSpec,
    engine=st.sampled_from(["onnxruntime", "ort", "x"]),
    precision=precisions,
    device=words,
    board=maybe(words),
    variant=maybe(st.sampled_from(["vendor", "lsq-w4a4"])),
)
names = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)
spans = st.floats(1e-3, 1e9)
board = of(
    Board,
    name=st.just("b"),
    alias=maybe(names),
    ssh=st.lists(words).map(tuple),
    python=maybe(words),
    environment=st.dictionaries(names.map(lambda name: f"V{name}"), words, max_size=2),
    engines=st.lists(words).map(tuple),
    system_site_packages=maybe(st.booleans()),
    cool_down=maybe(words),
    power_command=maybe(words),
    power_cycle=st.lists(words).map(tuple),
    power_cycles=counts,
    boot_s=spans,
    silence_s=spans,
    lease_s=spans,
    lease_file=words,
    lanes=counts,
    compress=st.booleans(),
    cache_bytes=counts,
)
endpoint = of(
    Endpoint,
    name=st.just("e"),
    url=st.sampled_from(["http://h:8000/v2/models/m", "grpcs://h/m/versions/3"]),
)
endpoints = st.lists(endpoint, max_size=1).map(lambda found: {one.name: one for one in found})
boards = st.lists(board, max_size=1).map(lambda found: {one.name: one for one in found})
contract = of(
    ContractOptions,
    preset=maybe(words),
    size=maybe(sizes),
    resize=maybe(words | counts | sizes),
    crop=maybe(sizes),
    interpolation=maybe(words),
    decoder=maybe(words),
    divisor=maybe(numbers),
    mean=maybe(st.tuples(numbers, numbers, numbers)),
    std=maybe(st.tuples(numbers, numbers, numbers)),
    color=maybe(words),
    layout=maybe(words),
    crop_offset=maybe(words),
    pad_value=maybe(counts),
    orientation=maybe(words),
)
work = of(
    WorkOptions,
    workers=counts,
    batch_size=counts,
    executor=st.sampled_from(["threads", "ray", "ray:auto", "ray:10.0.0.1:6379"]),
)
source = of(
    ModelSource,
    model=words,
    weights=maybe(paths),
    output=maybe(words),
    float_model=maybe(words),
    variants=st.lists(words.filter(bool), max_size=2).map(
        lambda files: tuple(f"v{n}={file}" for n, file in enumerate(files))
    ),
    contract=contract,
    classes=maybe(paths),
)
images = of(ImageSource, data=maybe(words), limit=maybe(counts), unlabelled=st.booleans())
files = {
    "source": source,
    "calibration": of(CalibrationSource, data=maybe(words), limit=maybe(counts), seed=maybe(seeds), condition=words),
    "quantization": of(
        QuantizeOptions,
        quantizer=st.sampled_from(QUANTIZERS),
        ranges=st.sampled_from(RANGES),
        percentile=st.floats(51, 100),
        equalize=st.booleans(),
        bias_correction=st.booleans(),
        keep_float=st.lists(words).map(tuple),
        keep_float_below_db=maybe(numbers),
        int4_method=st.sampled_from(INT4_METHODS),
        portable=st.booleans(),
        rest=maybe(st.sampled_from(RESTS)),
    ),
    "seed": seeds,
    "work": work,
    "boards": boards,
    "wait_s": maybe(st.floats(0, 1e9)),
}
builder = of(
    BuilderOptions,
    max_batch=counts,
    level=maybe(st.integers(0, 5)),
    workspace_mib=maybe(counts),
    timing_cache=st.booleans(),
    version_compatible=st.booleans(),
    hardware_compatible=st.booleans(),
    cuda_graph=st.booleans(),
    compute_capability=st.sampled_from([None, "8.9", "12.0"]),
)
limits = st.builds(Limits, build_s=st.floats(1, 1e9), call_s=st.floats(1, 1e9), memory_bytes=maybe(counts))


def targets(most):
    return of(
        Targets,
        asked=st.lists(target, min_size=1, max_size=most).map(tuple),
        threads=counts,
        optimization=st.sampled_from(OPTIMIZATIONS),
        rebuilds=counts,
    )


gate_limits = st.builds(Limit, maybe(st.floats(0, 100)), st.sampled_from(["yes", "failures", "no"]))


def runs(most=3):
    return of(
        RunSpec,
        **files,
        endpoints=endpoints,
        shard=maybe(st.integers(1, 9).flatmap(lambda of: st.builds(Shard, st.integers(1, of), st.just(of)))),
        images=images,
        targets=targets(most),
        builder=builder,
        limits=limits,
        conditions=of(
            ConditionsAsked,
            suite=words,
            globs=st.lists(words).map(tuple),
            across=st.lists(words).map(tuple),
            own=st.lists(words).map(tuple),
            severities=st.lists(counts).map(tuple),
            corruption_scale=maybe(counts),
            frost_textures=maybe(paths),
        ),
        attacks=of(
            AttackOptions,
            surrogates=st.lists(st.text(string.ascii_uppercase, min_size=1), unique=True).map(tuple),
            restarts=counts,
            queries=counts,
            device=st.sampled_from(["cpu", "cuda:1"]),
        ),
        gate=of(
            GateOptions,
            name=words,
            limits=st.lists(st.builds(Asked, st.sampled_from(sorted(LIMITS)), gate_limits, words)).map(tuple),
            strict=st.just(False),
            advisory=st.booleans(),
            min_realized=maybe(st.floats(0, 1)),
            allow_fallback=st.booleans(),
        ),
        timing=of(
            TimingOptions,
            scenarios=st.lists(st.sampled_from(sorted(SCENARIOS)), unique=True).map(tuple),
            starts=counts,
            duration_s=st.floats(1e-3, 1e6),
            sustained_s=st.floats(1e-3, 1e6),
            budget_s=st.floats(0, 1e6),
            width=st.floats(1e-3, 1),
            bound_ms=st.floats(1e-3, 1e6),
            end_to_end=st.lists(st.sampled_from(["contract", "pipeline/*"])).map(tuple),
            cool_down=st.sampled_from([None, "steady", "45.5"]),
            cool_down_s=st.floats(1, 1e6),
            loadgen=st.booleans(),
            power_command=st.sampled_from([None, "meter --watts"]),
            sweep_batch=st.lists(counts).map(tuple),
            sweep_threads=st.lists(counts).map(tuple),
        ),
        out=maybe(paths),
        reuse=maybe(paths),
        baseline=maybe(paths),
    )


SPECS = {
    RunSpec: runs(),
    BuildSpec: of(BuildSpec, **files, targets=targets(1), builder=builder, limits=limits, out=maybe(paths)),
    QuantizeSpec: of(
        QuantizeSpec,
        **files,
        out=st.just(Path("é/m.onnx")),
        engine=words,
        precision=precisions,
        float_view=st.booleans(),
        board=maybe(words),
    ),
    ContractSpec: of(
        ContractSpec,
        source=source,
        images=of(ImageSource, data=maybe(words), limit=maybe(enough), unlabelled=st.just(False)),
        seed=seeds,
        work=work,
    ),
    ExportSpec: of(
        ExportSpec,
        source=source,
        out=st.just(Path("m.onnx")),
        images=images,
        seed=seeds,
        batch=maybe(counts | st.just("free")),
        simplify=st.booleans(),
        work=work,
    ),
    DiffSpec: st.builds(
        DiffSpec,
        # Which contradicts some of the others.
        run=runs(1).map(lambda run: dataclasses.replace(run, source=dataclasses.replace(run.source, float_model=None))),
        against=maybe(target),
        same_file=st.booleans(),
        threshold_db=maybe(numbers),
        top=counts,
        values=st.sampled_from([None, *VALUES]),
    ),
}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
kinds = pytest.mark.parametrize("kind", SPECS, ids=lambda kind: kind.__name__)
thorough = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@kinds
@thorough
@given(data=st.data())
def test_a_spec_is_the_same_after_json(kind, data):
    spec = data.draw(SPECS[kind])
    kept = to_dict(spec)
    back = from_dict(kind, json.loads(json.dumps(kept, allow_nan=False)))
    assert back == spec
    assert to_dict(back) == kept
    assert json.dumps(to_dict(back)) == json.dumps(kept)  # 1 and 1.0 are equal, and not the same


def test_a_run_keeps_of_a_board_what_shapes_its_timing_and_nothing_that_is_run():
    board = Board("pi5", alias="a", ssh=("-F", "f"), python="p", environment={"TOKEN": "secret"}, power_cycle=("off",))
    timed = dataclasses.replace(board, cool_down="55", power_command="echo 3")
    kept = anywhere(RunSpec(boards={"pi5": timed})).boards
    assert kept == {"pi5": Board("pi5", cool_down="55", power_command="echo 3")}


def test_where_trials_run_is_not_kept_since_whoever_joins_a_cluster_trusts_it():
    assert anywhere(RunSpec(work=WorkOptions(3, executor="ray:10.0.0.1:6379"))).work == WorkOptions(3)


@pytest.mark.parametrize("name", ["", "Ray", "dask", "ray:", "ray:x", "ray:x:1:2/3", "ray:ray://x:10001", "threads:1"])
def test_what_is_no_executor_is_told(name):
    with pytest.raises(UsageError, match="--executor"):
        WorkOptions(executor=name)


# Of any names.
FREE = (("boards",), ("endpoints",), ("environment",))


def places_in(value, at=()):
    """Paths of all values inside."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inside for place in places_in(one, (*at, key)))]


def changed(value, place, new):
    if not place:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[place[0]] = changed(value[place[0]], place[1:], new)
    return copied


@kinds
@thorough
@given(data=st.data())
def test_any_json_is_a_spec_or_told(kind, data):
    kept = to_dict(data.draw(SPECS[kind]))
    place = data.draw(st.sampled_from(places_in(kept)))
    hostile = changed(kept, place, data.draw(values | st.sampled_from([-(10**4000), "\ud800", "\0", "", -1, 0])))
    try:
        spec = from_dict(kind, hostile)
    except SeatrialError:
        return
    assert isinstance(spec, kind)


@kinds
@thorough
@given(data=st.data())
def test_unknown_fields_are_named(kind, data):
    kept = to_dict(data.draw(SPECS[kind]))

    def at(place):
        value = kept
        for key in place:
            value = value[key]
        return value

    closed = [one for one in places_in(kept) if isinstance(at(one), dict) and one[-1:] not in FREE]
    place = data.draw(st.sampled_from(closed))
    more = changed(kept, place, {**at(place), "speed": 3})
    with pytest.raises(BadInputError, match=r"has no {}:".format(r"\.".join(map(str, (*place, "speed"))))):
        from_dict(kind, more)


def test_what_is_missing_has_its_default():
    assert from_dict(RunSpec, {"schema": SCHEMA, "seed": 4}) == RunSpec(seed=4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": SCHEMA + 1}, f"has schema {SCHEMA + 1}; this version of seatrial reads {SCHEMA}"),
        ({"schema": True}, "no schema number"),
        ({"schema": None}, "no schema number"),
        ({"seed": "0"}, "seed: .*valid integer"),
        ({"seed": True}, "seed: .*valid integer"),
        ({"source": {"contract": {"size": [1]}}}, r"source\.contract\.size"),
        ({"source": {"contract": {"divisor": math.nan}}}, "not JSON"),
        ({"out": 3}, "out: "),
        ({"limits": {"memory_bytes": -(10**400)}}, "This is no RunSpec"),
    ],
)
def test_what_is_no_spec_is_told(change, says):
    with pytest.raises(BadInputError, match=says):
        from_dict(RunSpec, {**to_dict(RunSpec()), **change})


def test_deep_nesting_is_told():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for name in ("schema", "seed", "speed"):
        with pytest.raises(BadInputError):
            from_dict(RunSpec, {"schema": SCHEMA, name: deep})


def test_a_value_that_none_can_be_names_its_flag():
    kept = to_dict(RunSpec())
    with pytest.raises(UsageError, match="--batch-size is 0; it must be at least 1"):
        from_dict(RunSpec, {**kept, "work": {"batch_size": 0}})


def test_a_name_that_is_not_utf8_is_refused():
    with pytest.raises(UsageError, match=r"'runs/\\udcff' is not UTF-8"):
        to_dict(RunSpec(out=Path(os.fsdecode(b"runs/\xff"))))


def test_paths_are_absolute_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test").mkdir()
    spec = RunSpec(
        source=ModelSource("nets.py:make", weights=Path("w.pt"), classes=Path("../c.csv")),
        images=ImageSource("test"),
        calibration=CalibrationSource(str(tmp_path / "calib")),
        conditions=ConditionsAsked(frost_textures=Path("frost")),
        attacks=AttackOptions(surrogates=("big=timm:resnet50", "m.onnx", "b.py:net")),
        out=Path("runs/x"),
        reuse=Path("runs/y"),
    )
    found = anywhere(spec)
    assert found.source == ModelSource(f"{tmp_path}/nets.py:make", tmp_path / "w.pt", classes=tmp_path / "../c.csv")
    assert (found.images.data, found.calibration.data) == (f"{tmp_path}/test", f"{tmp_path}/calib")
    assert found.conditions.frost_textures == tmp_path / "frost"
    assert found.attacks.surrogates == ("big=timm:resnet50", f"m={tmp_path}/m.onnx", f"net={tmp_path}/b.py:net")
    assert (found.out, found.reuse) == (tmp_path / "runs/x", tmp_path / "runs/y")
    monkeypatch.chdir("/")
    assert anywhere(found) == found


@pytest.mark.parametrize("model", ["demo", "timm:resnet50", "torchvision:resnet18"])
def test_names_stay_names_beside_folders_of_the_same_name(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("demo", "timm", "torchvision"):
        (tmp_path / folder).mkdir()
    spec = RunSpec(source=ModelSource(model), images=ImageSource("demo"), calibration=CalibrationSource("demo"))
    assert anywhere(spec) == spec


def test_where_an_endpoint_is_stays_with_whoever_runs():
    found = anywhere(RunSpec(endpoints={"e": Endpoint("e", "http://h:8000/v2/models/m")}))
    assert found.endpoints == {}
    assert "h:8000" not in json.dumps(to_dict(found))


def test_an_endpoint_is_no_board_and_has_one_name():
    one = Endpoint("e", "http://h:8000/v2/models/m")
    with pytest.raises(UsageError, match="--place OTHER="):
        RunSpec(boards={"e": Board("e")}, endpoints={"e": one})
    with pytest.raises(UsageError, match="described as e"):
        RunSpec(endpoints={"f": one})
