"""What is made visible for a page stays what it was."""

import pytest

from seatrial.harness.records.forms import NotThereError, Stored
from seatrial.harness.typeset.plain import all_visible


def test_every_text_is_spelled_and_nothing_else_changed():
    given = {"a\x1b": ["b\u202e", 1, None, {"c": 0.5}]}
    assert all_visible(given) == {"a\\x1b": ["b\\u202e", 1, None, {"c": 0.5}]}
    assert given == {"a\x1b": ["b\u202e", 1, None, {"c": 0.5}]}


def test_what_a_file_lacks_is_told_by_what_was_made_visible_of_it():
    found = all_visible({"int8": Stored.of("audit.json", {"layers": [{"name": "conv"}]})["layers"]})
    assert found["int8"][0]["name"] == "conv"
    with pytest.raises(NotThereError, match=r"audit\.json is not what was written: it has no 'op'"):
        found["int8"][0]["op"]
