"""A page's style attributes as classes of one sheet, so that a policy can name the sheet by its hash."""

from __future__ import annotations

import hashlib
import re

from seatrial.harness.typeset.drawings import COLOURS, INK

# What is between "<" and ">": text is escaped wherever it came from, so nothing else has a "<".
_TAG = re.compile(r"<[a-zA-Z][^<>]*>")
_STYLE = re.compile(r'\sstyle="([^"]*)"')
_CLASS = re.compile(r'\sclass="([^"]*)"')
# Nothing that could end a rule.
_PLAIN = re.compile(r"[\w\s:;#.,()'%+-]*")
_VARIABLES = {
    **{colour: f"var(--c{index})" for index, colour in enumerate(COLOURS)},
    INK: "var(--ink)",
}
_FAMILY = re.compile(r"font-family:[^;]*;?\s*")


def as_classes(page: str) -> tuple[str, str]:
    """The page with a class in place of each style attribute, and the rules of these classes.

    Colours of drawings become the page's variables: `--c0` to `--c5`, `--ink`.
    """
    rules: dict[str, str] = {}

    def replaced(tag: re.Match[str]) -> str:
        text = tag[0]
        style = _STYLE.search(text)
        if style is None:
            return text
        text = text[: style.start()] + text[style.end() :]
        declared = style[1].strip()
        if not declared or not _PLAIN.fullmatch(declared):
            return text
        if declared not in rules:
            rules[declared] = "s" + hashlib.sha256(declared.encode()).hexdigest()[:6]
        named = _CLASS.search(text)
        if named is not None:
            return f'{text[: named.end() - 1]} {rules[declared]}"{text[named.end() :]}'
        end = len(text) - (2 if text.endswith("/>") else 1)
        return f'{text[:end]} class="{rules[declared]}"{text[end:]}'

    changed = _TAG.sub(replaced, page)
    return changed, "\n".join(f".{name} {{ {_of_the_page(declared)} }}" for declared, name in rules.items())


def _of_the_page(declared: str) -> str:
    for colour, variable in _VARIABLES.items():
        declared = declared.replace(colour, variable)
    return _FAMILY.sub("", declared)
