"""YAML files that people write: small, plain values, no key twice, and no number that YAML reads otherwise."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from seatrial.errors import UsageError
from seatrial.files import open_regular, reason_of

# Far above any that people write; PyYAML takes seconds for so much.
_MAX_BYTES = 1 << 18
_MOST_VALUES = 100_000
_MOST_DIGITS = 100
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")


def read_yaml(path: Path, flag: str, kind: str) -> Any:
    """What stands in the file. UsageError, which begins with `flag` and says that it is no `kind`, for a file that
    cannot be read, a large one, and one with the same key twice.
    """
    try:
        with open_regular(path) as stream:
            content = stream.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise UsageError(f"{flag} {path} is above 256 KiB: not {kind}.")
        loader = _Once(content.decode())
        node = loader.get_single_node()
        if not _is_bounded(node):
            raise UsageError(f"{flag} {path} unfolds to more than {_MOST_VALUES} values: not {kind}.")
        return None if node is None else loader.construct_document(node)
    except (OSError, ValueError, TypeError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{flag} {path} cannot be read: {reason_of(error)}.") from error


class _Once(yaml.SafeLoader):
    """Refuses what would be lost or changed without a word: a key that stands twice, of whose values one is dropped,
    and numbers that people and YAML read differently.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As it stands in the file."""
        names = Counter(str(key.value) for key, _ in node.value)
        for name, count in names.items():
            if count > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)

    def construct_plain_int(self, node: yaml.ScalarNode) -> int:
        """A decimal number. YAML takes `010` for 8, and `1:30` for 90."""
        text = str(node.value)
        if not _DECIMAL.fullmatch(text):
            says = f"{text!r} is no plain number: write it in decimal without leading zeros, or as text in quotes"
            raise yaml.constructor.ConstructorError(None, None, says, node.start_mark)
        if len(text) > _MOST_DIGITS:  # neither counts nor measures, and too large for a float
            says = f"a number of {len(text)} digits is more than any that is asked for"
            raise yaml.constructor.ConstructorError(None, None, says, node.start_mark)
        return int(text)

    def construct_plain_float(self, node: yaml.ScalarNode) -> float:
        """The same; YAML takes `1:30.5` for 90.5."""
        if ":" in str(node.value):
            says = f"{node.value!r} is no plain number: write it in decimal, or as text in quotes"
            raise yaml.constructor.ConstructorError(None, None, says, node.start_mark)
        return float(self.construct_yaml_float(node))


_Once.add_constructor("tag:yaml.org,2002:int", _Once.construct_plain_int)
_Once.add_constructor("tag:yaml.org,2002:float", _Once.construct_plain_float)


def _is_bounded(node: yaml.Node | None) -> bool:
    """False for what aliases, merged or not, unfold to more than any file that people write, or to itself. It is asked
    before anything is unfolded.
    """
    waiting, count = [node], 0
    while waiting and count <= _MOST_VALUES:
        found = waiting.pop()
        count += 1
        if isinstance(found, yaml.MappingNode):
            waiting.extend(part for pair in found.value for part in pair)
        elif isinstance(found, yaml.SequenceNode):
            waiting.extend(found.value)
    return not waiting
