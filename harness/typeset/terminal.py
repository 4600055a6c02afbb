"""Text in the terminal: whatever a name holds, it is shown as text and moves nothing."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from seatrial.text import shown


def say(console: Console, *parts: str | tuple[str, str], style: str = "", indent: int = 0) -> None:
    """A sentence, wrapped at the terminal's width. parts: text, or text with its own style; never markup. indent:
    blanks before each line.
    """
    for line in _text(parts, style).wrap(console, max(console.width - indent, 1), overflow="fold"):
        line.rstrip()
        console.print(Text(" " * indent) + line, highlight=False, soft_wrap=True)


def say_whole(console: Console, *parts: str | tuple[str, str], style: str = "") -> None:
    """A line that is copied, such as a path or a command: not wrapped, so that it stays one."""
    console.print(_text(parts, style), highlight=False, soft_wrap=True)


def put(console: Console, text: str) -> None:
    """Text for other programs, sign by sign."""
    console.file.write(text)
    console.file.flush()


def _text(parts: Iterable[str | tuple[str, str]], style: str) -> Text:
    text = Text(style=style)
    for part in parts:
        words, own = (part, "") if isinstance(part, str) else part
        text.append(shown(words), own or None)
    return text


class Terminal(Console):
    """A console that shows no control character of any text, whoever prints there."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich does it; the control codes of rich's own are segments of another kind."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text == "\n" or segment.text.isprintable():
                yield segment
            else:
                lines = segment.text.split("\n")
                yield Segment("\n".join(map(shown, lines)), segment.style)
