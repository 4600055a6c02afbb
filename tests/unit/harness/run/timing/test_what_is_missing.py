"""What a run directory lacks of what is asked of its timing."""

import dataclasses

from seatrial.harness.records.timing import place_key
from seatrial.harness.run.timing.missing import Held, part_shaped_by, shaped_by
from seatrial.harness.spec.targets import REFERENCE, Build, TargetSpec
from seatrial.harness.spec.timing import TimingOptions

INT8 = TargetSpec("onnxruntime", "int8")
BUILDS = [Build(REFERENCE), Build(INT8), Build(INT8, 2)]
ASKED = TimingOptions(scenarios=("single-stream", "server"), end_to_end=("contract",), sweep_batch=(1, 8))
ALL = [build.id for build in BUILDS]
FIRST = ALL[:2]


def held(options=ASKED, builds=BUILDS, without=()):
    """All of it, but for (build, scenario) pairs."""
    record = {"places": {}, "targets": {}, "parts": {}}
    pairs = set()
    for name in options.timed:
        key = name.replace("-", "_")
        for build in builds:
            place = record["places"].setdefault(place_key(build.target.board), {"scenarios": {}})
            place["scenarios"][key] = {"asked": shaped_by(options, name)}
            if name != "server" or build.number == 1:
                record["targets"].setdefault(build.id, {})[key] = {}
                pairs.add((build.id, key))
    for part in ("sweep", "end_to_end"):
        firsts = [build.id for build in builds if build.number == 1]
        record["parts"][part] = {"asked": part_shaped_by(options, part), "targets": firsts}
    return Held(record, pairs - set(without))


def test_nothing_is_missing_of_what_is_there():
    assert held().is_whole(lambda board: ASKED, BUILDS)
    assert held().scenarios(ASKED) == ("single-stream", "server")


def test_of_nothing_all_is_missing():
    nothing = Held({"places": {}, "targets": {}}, set())
    assert not nothing.is_whole(lambda board: ASKED, BUILDS)
    assert nothing.lack(ASKED, None, "single-stream", BUILDS) == ALL
    assert nothing.lack(ASKED, None, "server", BUILDS) == FIRST, "one build of a target is enough there"
    assert nothing.lack_part(ASKED, "sweep", BUILDS) == FIRST
    assert nothing.lack_part(ASKED, "loadgen", BUILDS) == []


def test_a_further_scenario_alone_is_missing():
    more = dataclasses.replace(ASKED, scenarios=(*ASKED.scenarios, "offline"))
    assert held().scenarios(more) == ("single-stream", "offline", "server")
    assert held().lack(more, None, "offline", BUILDS) == ALL
    assert held().lack(more, None, "single-stream", BUILDS) == []


def test_what_was_asked_before_stays_part_of_the_run():
    less = dataclasses.replace(ASKED, scenarios=("single-stream",), bound_ms=1.0, sweep_batch=())
    assert held().scenarios(less) == ("single-stream", "server")
    assert held().lack(less, None, "server", BUILDS) == []
    assert held().is_whole(lambda board: less, BUILDS)


def test_a_further_target_is_timed_in_turns_with_all_others_and_alone_where_it_is_alone():
    more = [*BUILDS, Build(TargetSpec("openvino", "int8"))]
    assert held().lack(ASKED, None, "single-stream", more) == [build.id for build in more]
    assert held().lack(ASKED, None, "server", more) == ["openvino/int8@cpu"]
    assert held().lack_part(ASKED, "sweep", more) == ["openvino/int8@cpu"]


def test_samples_without_a_record_are_missing_and_the_reverse():
    assert held(without=[(ALL[1], "single_stream")]).lack(ASKED, None, "single-stream", BUILDS) == ALL
    assert held(without=[(ALL[1], "server")]).lack(ASKED, None, "server", BUILDS) == [ALL[1]]


def test_options_that_shape_a_scenario_time_it_again_and_no_other():
    other = dataclasses.replace(ASKED, bound_ms=9.0)
    assert held().lack(other, None, "server", BUILDS) == FIRST
    assert held().lack(other, None, "single-stream", BUILDS) == []
    longer = dataclasses.replace(ASKED, starts=ASKED.starts + 1)
    assert held().lack(longer, None, "single-stream", BUILDS) == ALL
    assert held().lack(longer, None, "server", BUILDS) == []
    assert held().is_whole(lambda board: dataclasses.replace(ASKED, budget_s=7.0, width=0.5), BUILDS)
    assert held().lack_part(dataclasses.replace(ASKED, sweep_batch=(2,)), "sweep", BUILDS) == FIRST


def test_each_place_is_whole_by_itself():
    there = [Build(TargetSpec("onnxruntime", precision, board="pi5")) for precision in ("fp32", "int8")]
    both = held(builds=[*BUILDS, *there])
    assert both.is_whole(lambda board: ASKED, [*BUILDS, *there])
    assert both.lack(ASKED, "pi5", "single-stream", [*BUILDS, *there]) == []
    assert held().lack(ASKED, None, "single-stream", [*BUILDS, *there]) == [], "a board leaves this machine as it is"
    assert held().lack(ASKED, "pi5", "single-stream", [*BUILDS, *there]) == [build.id for build in there]
    assert not held().is_whole(lambda board: ASKED, [*BUILDS, *there])
    cooler = dataclasses.replace(ASKED, cool_down="45")
    assert not both.is_whole(lambda board: cooler if board else ASKED, [*BUILDS, *there])
    assert both.lack(cooler, "pi5", "server", [*BUILDS, *there]) == [build.id for build in there]
