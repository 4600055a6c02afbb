"""What is wrong with one target's file: a layer, a channel, a range that is too narrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seatrial.harness.results.causes.case import Case
from seatrial.harness.results.finding import Finding

# In dB. What int8 leaves of ResNet-20, MobileNet and SqueezeNet at their worst step is 30 to 35, at the usual one 40 to
# 48: a step this far below the usual one is the one to look at, and one with a tenth of the signal for noise is broken.
# Of layers with fewer bits what those take by themselves is added first.
APART, BROKEN = 18.0, 10.0
# Share of a range that values need at least: in the same networks, 54 % and more.
UNUSED = 0.1
# Share of a value's elements that its rounded form cannot hold.
_SATURATED = 0.02


def layers(case: Case) -> Iterator[Finding]:
    """One step adds far more error than the others do."""
    for target, found in case.evidence.get("layers", {}).items():
        wide = unused(found)
        if wide is not None:
            yield Finding(
                cause="layer",
                target=target,
                says=f"the values of {wide['node']} need {wide['share']:.1%} of the range of their integers",
                remedy="The scale there is far too large: compare it with its neighbours', or calibrate anew.",
                command=case.commands.diff(case.spec(target)),
                likelihood=0.95,
                evidence=found,
            )
        if wide is not None or target not in case.suspects or found["failed"] is not None or not found["steps"]:
            continue
        first = first_step(found)
        own, usual, apart = first["own_db"], first["usual_db"], first["apart_db"]
        worst = first["at_8_bits_db"] <= BROKEN or apart >= APART
        likelihood = min(0.92, 0.65 + apart / 100) if worst else 0.3
        yield _saturated(case, target, first, found, likelihood)
        yield Finding(
            cause="layer",
            target=target,
            says=(
                f"{_step(first)} leaves {own:.1f} dB of signal to noise by itself; usual in this network are "
                f"{usual:.1f} dB"
            ),
            remedy=_remedy(case, target, first, worst),
            command=_command(case, target, first),
            likelihood=likelihood,
            evidence=found,
        )


def first_step(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The step that lies furthest below what is usual. Evidence of earlier versions does not know bits, and has one
    usual figure for all steps.
    """
    step = found["steps"][0]
    if "apart_db" in step:
        return step  # type: ignore[no-any-return]
    usual, own = found["usual_db"], step["own_db"]
    return {**step, "usual_db": usual, "at_8_bits_db": own, "apart_db": usual - own}


def stands_out(step: Mapping[str, Any], broken: float) -> bool:
    """True of a step that leaves no more than `broken` dB and lies far below the usual one of its kind; the bits that
    it has count for what they take.
    """
    return bool(step["at_8_bits_db"] <= broken and step["apart_db"] >= APART)


def unused(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The rounded value that needs the least of its range, where that is next to nothing."""
    rows = found.get("unused") or [{"share": 1.0}]
    return rows[0] if rows[0]["share"] < UNUSED else None


def _saturated(
    case: Case, target: str, first: Mapping[str, Any], found: Mapping[str, Any], likelihood: float
) -> Finding:
    worst = found["saturated"][0] if found["saturated"] else {"node": first["node"], "share": 0.0}
    many = worst["share"] >= _SATURATED
    made_here = target in case.made_here
    narrower = made_here and case.commands.spec.quantization.ranges != "minmax"
    return Finding(
        cause="saturation",
        target=target,
        says=f"{worst['share']:.1%} of the values behind {worst['node']} lie beyond the range of its integers",
        remedy=(
            "Calibrate on images like the tested ones, and take ranges as wide as they come (--ranges minmax)."
            if made_here
            else "Calibrate the file anew: the scale there is too small for what these images bring."
        ),
        command=case.commands.again("ranges", "--ranges", "minmax")
        if narrower
        else case.commands.diff(case.spec(target)),
        # What a layer gives is out of range, too, where the layer itself is wrong.
        likelihood=(likelihood + 0.02 if first["kind"] == "rounding" else 0.4) if many else 0.05,
        evidence={"saturated": found["saturated"]},
    )


def _step(step: Mapping[str, Any]) -> str:
    return f"{step['node']} ({step['op']})" if step["kind"] == "layer" else f"the rounding of what {step['node']} gives"


def _remedy(case: Case, target: str, step: Mapping[str, Any], worst: bool) -> str:
    if target in case.made_here:
        return "Keep the fewest layers in float that restore the accuracy; the command finds them."
    if not worst:
        return "No more than its bits cost: give that layer more of them, or train the network with them for longer."
    what = "its scale and zero point" if step["kind"] == "rounding" else "its weights, bias and scales"
    return f"Compare {what} with those of the float model there: the file is damaged, or was quantized badly."


def _command(case: Case, target: str, step: Mapping[str, Any]) -> str:
    spec = case.spec(target)
    return case.commands.diff(spec, "--remedy") if target in case.made_here else case.commands.diff(spec)


def channels(case: Case) -> Iterator[Finding]:
    """Channels of a layer whose ranges differ hugely share one scale somewhere."""
    found = case.evidence.get("damage")
    if not found or not case.suspects:
        return
    steps = [
        step["node"]
        for target in case.suspects
        for step in (case.evidence.get("layers", {}).get(target) or {}).get("steps", [])[:3]
    ]
    for channel in found["channels"]:
        if (channel["repaired"] or {}).get("damaged"):
            continue
        target = case.suspects[0]
        yield Finding(
            cause="channel",
            target=target,
            says=(
                f"channel {channel['channel']} of {channel['node']} has weights {channel['ratio']:.0f} times as large "
                "as usual in its layer: what shares a scale with it is rounded away"
            ),
            remedy="Level the channels before quantizing (--equalize), or keep that layer in float.",
            command=case.commands.again("equalized", "--equalize")
            if target in case.made_here
            else case.commands.diff(case.spec(target)),
            likelihood=0.94 if channel["node"] in steps else 0.4,
            evidence=channel,
        )
        return
