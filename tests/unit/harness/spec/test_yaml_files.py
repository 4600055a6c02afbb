"""What people and YAML read differently is refused, not changed."""

import pytest

from seatrial.errors import UsageError
from seatrial.harness.command.config import read_config
from seatrial.harness.spec.yaml_file import read_yaml


def write(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("number", ["010", "0x1f", "0b11", "1:30", "1_000", "1:30.5", "-007"])
def test_numbers_that_are_read_in_two_ways(tmp_path, number):
    with pytest.raises(UsageError, match=r"(?s)is no plain number.*line 1"):
        read_config(write(tmp_path, f"seed: {number}\n"))


@pytest.mark.parametrize("number", ["9" * 101, "-" + "9" * 400])
def test_numbers_beyond_all_that_is_asked_for(tmp_path, number):
    with pytest.raises(UsageError, match=r"(?s)a number of \d+ digits is more than any.*line 1"):
        read_yaml(write(tmp_path, f"recovery: {number}\n"), "--gate", "a gate")


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("-12", -12), ("+3", 3), ("1.50", 1.5), ("'010'", "010"), ("1e-3", "1e-3"), ("1.0e-3", 1e-3)],
)
def test_numbers_as_they_stand(tmp_path, text, value):
    found = read_config(write(tmp_path, f"seed: {text}\n"))["seed"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["bits: 8\nbits: 4\n", "a: {limit: 1, limit: 2}\n", "{a: 1, ? a : 2}"])
def test_a_key_that_stands_twice(tmp_path, text):
    with pytest.raises(UsageError, match="stands twice"):
        read_config(write(tmp_path, text))


def test_aliases_are_followed_within_bounds(tmp_path):
    assert read_config(write(tmp_path, "a: &a [1, 2]\nb: *a\n")) == {"a": [1, 2], "b": [1, 2]}
    bomb = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    merged = "a0: &a0 {k: 1}\n" + "".join(
        f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}], k{i}: 1}}\n" for i in range(1, 30)
    )
    for text in (bomb, merged, f"{bomb}mean: [*a29, *a29]\n", "conditions: &x [*x]\n", "a: &x {b: *x}\n"):
        with pytest.raises(UsageError, match="unfolds to more than 100000 values"):
            read_yaml(write(tmp_path, text), "--config", "a configuration")


@pytest.mark.parametrize("content", [b"a: \xff", b"a: [", b"? [1]\n", b"[" * 5000, b"a: !!python/object:os.system x"])
def test_what_is_no_yaml(tmp_path, content):
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        read_config(path)


def test_common_parts_may_be_merged(tmp_path):
    found = read_config(write(tmp_path, "a: &a {x: 1}\nb: {<<: *a, y: 2}\n"))
    assert found == {"a": {"x": 1}, "b": {"x": 1, "y": 2}}


def test_a_file_larger_than_any(tmp_path):
    with pytest.raises(UsageError, match="above 256 KiB"):
        read_config(write(tmp_path, "a: 1\n" * 60_000))
