"""boards.yaml: what it says, and what is refused."""

import os

import pytest

from seatrial.engines.boards import Board
from seatrial.errors import UsageError
from seatrial.harness.command import parse_flags
from seatrial.harness.command.build import make_parser as build_parser
from seatrial.harness.command.run import make_parser, spec_of
from seatrial.harness.spec.boards import boards_file, described, read_boards
from seatrial.harness.spec.kept import from_dict, to_dict
from seatrial.harness.spec.run import RunSpec

TEXT = """
pi5:
  alias: pi@10.0.0.5
  ssh: [-p, "2222"]
  environment: {OMP_NUM_THREADS: "4"}
  power-cycle: [uhubctl, -l, "1-1"]
  boot_s: 90
nano:
"""


@pytest.fixture
def file(tmp_path):
    def write(text, name="our boards.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def spec(*words):
    return spec_of(parse_flags(make_parser(), list(map(str, words))))


def ids(*words):
    return [target.id for target in spec(*words).targets.asked]


def test_the_file_means_what_it_says(file):
    found = read_boards(file(TEXT))
    assert found["nano"] == Board("nano")
    pi5 = found["pi5"]
    assert (pi5.destination, pi5.ssh, pi5.power_cycle) == ("pi@10.0.0.5", ("-p", "2222"), ("uhubctl", "-l", "1-1"))
    assert (pi5.environment, pi5.boot_s) == ({"OMP_NUM_THREADS": "4"}, 90.0)
    assert read_boards(file("", "empty.yaml")) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pi5: {powercycle: [x]}", r"our boards\.yaml, pi5: a board has no 'powercycle'\. Did you mean 'power_cycle'"),
        ("pi5: {name: nano}", "a board has no 'name'"),
        ("pi5: [a]", "pi5: what a board is, is a mapping"),
        ("[pi5]", "not a mapping of boards"),
        ("5: {}", "5 is no board's name; put it in quotes"),
        ("'a b': {}", "'a b' is no board's name"),
        ("pi5: {alias: '-oProxyCommand=x'}", "no destination of ssh"),
        ("pi5: {ssh: -p 22}", "pi5: .*ssh"),
        ("pi5: {environment: {A: 4}}", "environment.*string"),
        ("pi5: {environment: {A=B: x}}", "no name of an environment variable"),
        ("pi5: {lanes: 0}", "lanes 1 or more"),
        ("pi5: {boot_s: .nan}", "pi5: "),
        ("pi5: {alias: a, alias: b}", "'alias' stands twice"),
        ("pi5: {}\npi5: {}", "'pi5' stands twice"),
        ("a: &a [*a]", "unfolds"),
        ("a: !!python/object/apply:os.system [x]", "cannot be read"),
        ("a: {engines: " + "[" * 5000 + "]" * 5000 + "}", "cannot be read"),
    ],
)
def test_what_is_no_list_of_boards_is_told(file, text, says):
    with pytest.raises(UsageError, match=says):
        read_boards(file(text))


def test_only_small_files_are_read(tmp_path):
    large, pipe = tmp_path / "large.yaml", tmp_path / "pipe.yaml"
    large.write_bytes(b"#" * (2 << 20))
    os.mkfifo(pipe)
    for path, says in (
        (large, "above 256 KiB"),
        (pipe, "not a regular file"),
        (tmp_path, "not a regular file"),
        (tmp_path / "x", "read"),
    ):
        with pytest.raises(UsageError, match=says):
            read_boards(path)


def test_the_file_here_comes_before_that_of_the_user(tmp_path, monkeypatch):
    home, here = tmp_path / "home", tmp_path / "here"
    (home / ".config/seatrial").mkdir(parents=True)
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    assert boards_file() is None
    assert read_boards() == {}
    (home / ".config/seatrial/boards.yaml").write_text("pi5: {alias: far}")
    assert read_boards()["pi5"].alias == "far"
    (here / "boards.yaml").write_text("pi5: {alias: near}")
    assert read_boards()["pi5"].alias == "near"


def test_boards_are_a_part_of_the_grid():
    assert ids("--board", "pi5") == ["onnxruntime/int8@pi5/cpu"]
    asked = ids("--board", "a", "--board", "b", "--bits", "8", "--bits", "32", "--engine", "onnxruntime")
    assert asked == [f"onnxruntime/{precision}@{board}/cpu" for precision in ("int8", "fp32") for board in "ab"]
    assert ids("--target", "openvino/fp16@nano/cpu", "--target", "null@cpu") == [
        "openvino/fp16@nano/cpu",
        "null/int8@cpu",
    ]


@pytest.mark.parametrize("target", ["onnxruntime@a/b/cpu", "onnxruntime@/cpu", "onnxruntime@pi5/", "a@b@cpu"])
def test_what_names_no_target_is_told(target):
    with pytest.raises(UsageError, match="is no target"):
        ids("--target", target)


@pytest.mark.parametrize("name", ["user@host", "-x", "a b", "../a", ""])
def test_what_names_no_board_is_told(name):
    with pytest.raises(UsageError, match="no board's name"):
        spec(f"--board={name}")


def test_a_spec_holds_the_boards_that_its_targets_name(file):
    asked = spec("--board", "pi5", "--board", "lab", "--boards", file(TEXT), "--wait", "60")
    assert set(asked.boards) == {"pi5", "lab"}
    assert asked.boards["pi5"].alias == "pi@10.0.0.5"
    assert asked.boards["lab"] == Board("lab")
    assert asked.wait_s == 60
    assert from_dict(RunSpec, to_dict(asked)) == asked
    assert spec("--board", "pi5", "--wait").wait_s is None
    with pytest.raises(UsageError, match="--wait"):
        spec("--board", "pi5", "--wait", "-1")


def test_a_file_that_is_named_is_read_even_where_no_board_is(file):
    with pytest.raises(UsageError, match="stands twice"):
        spec("--boards", file("a: {}\na: {}"))


def test_no_file_is_read_where_no_board_is_named(tmp_path, monkeypatch):
    (tmp_path / "boards.yaml").write_text("[")
    monkeypatch.chdir(tmp_path)
    assert spec("--bits", "8").boards == {}


def test_the_first_that_knows_a_board_describes_it():
    assert described(["b", "c", "d"], {"b": Board("b", alias="1")}, {"b": Board("b"), "c": Board("c", alias="2")}) == {
        "b": Board("b", alias="1"),
        "c": Board("c", alias="2"),
        "d": Board("d"),
    }


def test_a_description_under_another_name_is_refused():
    with pytest.raises(UsageError, match="Board pi5 is described as nano"):
        RunSpec(boards={"pi5": Board("nano")})


def test_a_configuration_names_boards_as_flags_do(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("board: [pi5, nano]\nbits: 8\nwait: 5\n")
    assert ids("--config", path) == ["onnxruntime/int8@pi5/cpu", "onnxruntime/int8@nano/cpu"]
    assert parse_flags(build_parser(), ["--board", "pi5"])["board"] == ["pi5"]
