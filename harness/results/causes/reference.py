"""What is wrong with all figures alike: how the model is fed, what its classes are called, the float model itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.harness.findings.order import Order
from seatrial.harness.results.causes.case import Case
from seatrial.harness.results.finding import Finding

_FACTORS = {"color": "contract-colour", "numbers": "contract-statistics"}
_NAMED = 4
# In top-1: what another reading must gain to be more than a matter of taste.
_SMALL = 0.01


def contract(case: Case) -> Iterator[Finding]:
    """Another reading of the images suits the model better beyond doubt."""
    found = case.evidence.get("contract")
    if not found or not found.get("wrong"):
        return
    flags = " ".join(found["flags"])
    # Of a damaged model, or images that came corrupted in one way, anything may look better.
    small = found["other_top1"] - found["declared_top1"] < _SMALL
    doubt = 0.55 if small else 0.3 if damages(case.evidence.get("damage")) else 0.0 if found["trusted"] else 0.55
    for factor, cause in _FACTORS.items():
        if factor not in found["differing"]:
            continue
        declared, other = found["differing"][factor]["declared"], found["differing"][factor]["other"]
        what = f"colour order {declared}" if factor == "color" else f"scaling {declared}"
        says = (
            f"the model is fed with {what}, and answers better with {other}: top-1 {found['declared_top1']:.2%} -> "
            f"{found['other_top1']:.2%} on {found['images']} images"
        )
        yield Finding(
            cause=cause,
            target=None,
            says=says,
            remedy=f"Find out how the model was trained to be fed; these images speak for {flags}.",
            command=case.commands.contract(),
            likelihood=(0.97 if factor == "color" else 0.96) - doubt,
            evidence=found,
        )


def label_order(case: Case) -> Iterator[Finding]:
    """Answers are right under other names."""
    for target, order in case.orders.items():
        of_reference = target == case.reference
        if not of_reference and case.reference in case.orders:
            continue
        who = "the model" if of_reference else target
        names = renamed(order, case.class_names)
        says = f"{who} answers under other names: {names}; top-1 {order.before:.2%} -> {order.after:.2%}"
        where = "the class file or the folders' order" if of_reference else "the last layer of the file"
        yield Finding(
            cause="label-order",
            target=None if of_reference else target,
            says=says,
            remedy=f"Put {where} right: --classes FILE names the classes in the order of the model's outputs.",
            command=case.commands.again("classes", "--classes", "CLASSES.txt") if of_reference else None,
            likelihood=0.98,
            evidence=order.to_dict(),
        )


def renamed(order: Order, names: Sequence[str] | None) -> str:
    """In words: "cat is called dog, dog is called cat and 3 more"."""
    if order.shift is not None:
        return f"every class is called the one {abs(order.shift)} {'after' if order.shift > 0 else 'before'} it"
    pairs = [f"{_name(names, label)} is called {_name(names, meant)}" for label, meant in order.renamed]
    rest = len(pairs) - _NAMED
    return f"{', '.join(pairs[:_NAMED])}{f' and {rest} more' if rest > 0 else ''}"


def _name(names: Sequence[str] | None, number: int) -> str:
    return f"class {number}" if names is None else names[number]


def damages(found: Mapping[str, Any] | None) -> list[str]:
    """What is broken in the weights of the float model, in words. found: `damage` of findings.json."""
    if not found:
        return []
    channels = [one for one in found["channels"] if (one["repaired"] or {}).get("damaged")]
    return [*map(_channel, channels), *(f"all weights of {node} are zero" for node in found["dead"])]


def _channel(channel: Mapping[str, Any]) -> str:
    repaired = channel["repaired"]
    return (
        f"channel {channel['channel']} of {channel['node']} has weights {channel['ratio']:.0f} times its layer's: "
        f"{repaired['better']} images more are right, {repaired['worse']} fewer, with it put back, of "
        f"{repaired['images']}"
    )


def damaged(case: Case) -> Iterator[Finding]:
    """The float model: channels that are better put back, layers of zeros, answers that say nothing."""
    found = case.evidence.get("damage") or {"channels": [], "dead": []}
    search = case.commands.contract()
    for channel in found["channels"]:
        repaired = channel["repaired"] or {}
        if not repaired.get("damaged"):
            continue
        for cause, likelihood in (("channel", 0.93), ("damaged-reference", 0.9)):
            yield Finding(
                cause=cause,
                target=None,
                says=_channel(channel),
                remedy="The float file is damaged: export it again from its source, and compare it with that.",
                command=search,
                likelihood=likelihood,
                evidence=channel,
            )
    for node in found["dead"]:
        yield Finding(
            cause="damaged-reference",
            target=None,
            says=f"all weights of {node} are zero: it says the same of every image",
            remedy="The float file is damaged: export it again from its source, and compare it with that.",
            command=search,
            likelihood=0.95,
            evidence={"node": node},
        )
    failing = [one for one in case.checks if one.target == case.reference and one.answer == "fail"]
    answers = next((one for one in failing if one.name == "reference"), None)
    if answers is not None:
        yield Finding(
            cause="damaged-reference",
            target=None,
            says=f"the float model says next to nothing of these images: {answers.says}",
            remedy="Look at how it is fed, at the order of the classes, and at the file itself.",
            command=search,
            likelihood=0.6,
            evidence={},
        )
    for one in case.checks:
        if one.name == "implausible gain" and one.answer == "fail":
            yield Finding(
                cause="damaged-reference",
                target=one.target,
                says=f"{one.target} is better than the model it was made from: {one.says}",
                remedy="No quantization does that: the reference is damaged, or the file was made from other weights.",
                command=case.commands.diff(case.spec(one.target)),
                likelihood=0.7,
                evidence={},
            )
