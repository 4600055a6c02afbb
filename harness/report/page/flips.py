"""Which classes the flips go to, and the worst flipped images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from seatrial.harness.conditions.kinds.registry import title_of
from seatrial.harness.report.page.part import Part, Shown, Values, together
from seatrial.harness.typeset.numbers import percent
from seatrial.harness.typeset.page import Cell, Heading, Table, note, paragraph

# Pairs of classes that the page lists of each target; flips.json has more.
_PAIRS = 40
NameOf = Callable[[int], str]


def what_changed(shown: Shown) -> Part | None:
    """From which class to which, for each target; None where no answer changed, or nothing tells."""
    found = shown.flips.get("targets") or {}
    name_of, labelled = names_of(shown.flips), shown.summary["data"]["labelled"]
    tables: list[Table | Markup] = []
    for target, changes in found.items():
        where = title_of(shown.flips["condition"])
        if changes["first"]["images"]:
            tables.append(_pairs(f"{target}, {where}", changes["first"], name_of, labelled))
        else:
            tables.append(paragraph(f"{target}, {where}: no answer changed."))
        if len(shown.conditions) > 1:
            tables.append(_pairs(f"{target}, all conditions together", changes["all"], name_of, labelled))
    body = together(*tables)
    if not body:
        return None
    said = "An answer changed where the reference and the target give an image different classes."
    if labelled:
        said += " Lost: the reference was right; gained: the target is; the others are wrong both times."
    explained = note(said)
    return Part("What changed", together(body, explained))


def names_of(flips: Values) -> NameOf:
    """Index -> name of a class; the index itself where there are no names."""
    names: Sequence[str] = flips.get("classes") or ()
    return lambda index: names[index] if index < len(names) else str(index)


def _pairs(caption: str, changes: Values, name_of: NameOf, labelled: bool) -> Table:
    pairs = changes["pairs"][:_PAIRS]
    shown = sum(count for _, _, count, _, _ in pairs)
    count = changes["images"]
    told = f"{caption}: {count} answer{'' if count == 1 else 's'} changed"
    rest = f", {count - shown} of them among further classes" if count > shown else ""
    rows: list[list[Cell | str]] = [
        [
            name_of(before),
            name_of(now),
            Cell(str(count), count),
            *((Cell(str(right or "-"), right) for right in (right_before, right_now)) if labelled else ()),
        ]
        for before, now, count, right_before, right_now in pairs
    ]
    headings = [
        Heading("the reference says"),
        Heading("the target says", figures=False),
        Heading("images"),
        *((Heading("lost"), Heading("gained")) if labelled else ()),
    ]
    return Table(f"{told}{rest}", headings, rows)


def worst_images(shown: Shown) -> Part | None:
    """The images that only the reference gets right, where both are surest; None without any."""
    pictures = shown.flips.get("pictures") or ()
    if not pictures:
        return None
    name_of = names_of(shown.flips)
    cards = Markup("\n").join(_card(one, name_of, shown.summary["reference"]) for one in pictures)
    explained = note(
        f"Images that {shown.summary['reference']} gets right and a target wrong: those where both are surest of their "
        "answers, no image twice."
    )
    return Part("The worst flipped images", together(Markup('<ul class="cards">{}</ul>').format(cards), explained))


def _card(one: Values, name_of: NameOf, reference: str) -> Markup:
    condition = title_of(one["condition"])
    label = name_of(one["label"])
    pictures = [
        Markup('<figure><img src="{}" alt="{}"><figcaption>{}</figcaption></figure>').format(
            source, f"{label}, {caption}: {one['image']}", caption
        )
        for source, caption in _sources(one, condition)
    ]
    return Markup(
        '<li class="card"><div class="pair">{pictures}</div><dl><dt>{reference}</dt><dd>{right}, {sure}</dd>'
        '<dt>{target}</dt><dd class="worse">{wrong}, {unsure}</dd></dl>'
        '<p class="muted">{condition}<code>{image}</code></p></li>'
    ).format(
        pictures=Markup().join(pictures),
        reference=reference,
        right=name_of(one["reference"]["class"]),
        sure=percent(one["reference"]["probability"], 0),
        target=one["target"],
        wrong=name_of(one["answer"]["class"]),
        unsure=percent(one["answer"]["probability"], 0),
        condition="" if one["seen"] not in (None, one["clean"]) else f"{condition}; ",
        image=one["image"],
    )


def _sources(one: Values, condition: str) -> list[tuple[str, str]]:
    """What there is of both pictures, with what each is; one picture where they are the same."""
    clean, seen = one["clean"], one["seen"]
    found = [(clean, "clean")] if clean else []
    if seen and seen != clean:
        found.append((seen, f"seen: {condition}"))
    return found
