"""Registries: ours first, in one order, then what other packages declare."""

import sys
import threading

import pytest
from sample_plugin import declare

from seatrial.errors import UsageError
from seatrial.registry import Registry

PARTS = """
from registry_of_test import NUMBERS

class {name}:
    pass

NUMBERS.register({name!r}, {name!r} + "-short")({name})
"""


@pytest.fixture
def numbers(tmp_path, monkeypatch):
    """A registry whose parts lie in two modules, and of which a package declares three."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("one", "two"):
        (tmp_path / f"numbers_{name}.py").write_text(PARTS.format(name=name))
    (tmp_path / "numbers_more.py").write_text("three, two, text, one_short = 3, 2, 'text', 1\n")
    declare(
        tmp_path,
        "more-numbers",
        "1.0",
        "[numbers]\n"
        + "".join(f"{name} = numbers_more:{name}\n" for name in ("three", "two", "text", "absent"))
        + "one-short = numbers_more:one_short\n",
    )

    def accept(name, named):
        if not isinstance(named, int):
            raise TypeError("a number is an int")
        return named

    registry = Registry("number", modules=["numbers_one", "numbers_two"], group="numbers", accept=accept)
    here = type(sys)("registry_of_test")
    here.NUMBERS = registry
    monkeypatch.setitem(sys.modules, "registry_of_test", here)
    yield registry
    for name in ("numbers_one", "numbers_two", "numbers_more"):
        sys.modules.pop(name, None)


def test_nothing_is_imported_before_it_is_looked_at(numbers):
    assert "numbers_one" not in sys.modules
    assert "one" in numbers
    assert {"numbers_one", "numbers_two", "numbers_more"} <= sys.modules.keys()


def test_the_order_is_that_of_the_modules_whichever_was_imported_first(numbers):
    __import__("numbers_two")
    assert list(numbers) == ["one", "two", "three"]


def test_a_name_of_ours_is_never_replaced(numbers):
    assert numbers["two"] is sys.modules["numbers_two"].two
    assert numbers["one-short"] is sys.modules["numbers_one"].one
    errors = {plugin.name: plugin.error for plugin in numbers.plugins()}
    assert errors["two"] == "ValueError: there is a number 'two' already"
    assert errors["one-short"] == "ValueError: there is a number 'one-short' already"


def test_a_broken_part_is_told_and_the_others_stand(numbers):
    assert numbers["three"] == 3
    assert numbers.provenance("three") == {"plugin": "more-numbers 1.0"}
    assert numbers.provenance("one") == {}
    with pytest.raises(UsageError, match=r"Number 'text' of more-numbers 1.0 is broken: TypeError: a number is an int"):
        numbers["text"]
    with pytest.raises(UsageError, match=r"Number 'absent' of more-numbers 1.0 is broken: AttributeError"):
        numbers["absent"]
    with pytest.raises(UsageError, match=r"Unknown number 'thre'. Known: one, three, two. Did you mean 'three'"):
        numbers["thre"]


def test_threads_that_look_at_once_see_all_of_it(numbers):
    found = []
    threads = [threading.Thread(target=lambda: found.append(list(numbers))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["one", "two", "three"]] * 8
