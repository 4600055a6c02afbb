"""How much is asked in a round: long enough, enough queries, in blocks that are short."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.harness.timing.lengths import BLOCK_S, LONGEST_BLOCK_S, lengths_of
from seatrial.harness.timing.turns import in_turns


def test_turns_go_forwards_and_backwards():
    assert list(in_turns("abc", 2)) == [(0, "a"), (0, "b"), (0, "c"), (1, "c"), (1, "b"), (1, "a")]
    places = {name: [at for at, (_, one) in enumerate(in_turns("abc", 6)) if one == name] for name in "abc"}
    assert len({sum(found) for found in places.values()}) == 1, "what drifts evenly meets all alike"


def test_fast_engines_are_asked_in_blocks_of_a_tenth_of_a_second():
    found = lengths_of({"a": 1e-4, "b": 2e-4}, duration_s=1.0, queries=100, most_s=20)
    assert found.turns == 10
    assert found.queries == {"a": 1000, "b": 500}
    assert all(one == pytest.approx(BLOCK_S) for one in found.seconds.values())


def test_slow_engines_get_the_queries_that_carry_a_percentile():
    found = lengths_of({"slow": 0.05}, duration_s=0.5, queries=221, most_s=20)
    assert found.turns * found.queries["slow"] >= 221
    assert found.seconds["slow"] <= LONGEST_BLOCK_S + 0.05


def test_engines_that_are_slower_still_end_in_time():
    found = lengths_of({"slow": 4.0, "fast": 0.001}, duration_s=0.5, queries=221, most_s=20)
    assert found.turns == 4
    assert found.queries["slow"] * found.turns * 4.0 == pytest.approx(20, abs=16)
    assert lengths_of({"a": 100.0}, duration_s=0.5, queries=221, most_s=20).queries == {"a": 1}
    assert lengths_of({}, duration_s=0.5, queries=1, most_s=20).turns == 1


@given(
    seconds=st.dictionaries(st.sampled_from("abc"), st.floats(0, 50), min_size=1),
    duration_s=st.floats(1e-3, 20),
    queries=st.integers(0, 700),
    most_s=st.floats(0.1, 60),
)
def test_every_target_gets_its_time_and_not_much_more(seconds, duration_s, queries, most_s):
    found = lengths_of(seconds, duration_s=duration_s, queries=queries, most_s=most_s)
    assert found.turns == 1 or found.turns % 2 == 0
    for name, one in seconds.items():
        one = max(one, 1e-7)
        wanted = max(duration_s, min(queries * one, most_s))
        spent = found.turns * found.queries[name] * one
        assert spent >= wanted * (1 - 1e-6)
        assert spent <= wanted + found.turns * one * (1 + 1e-6)
        if one <= wanted:
            assert spent <= 3 * wanted
