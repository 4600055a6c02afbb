"""In which factors a declared contract is not the best one, and each factor's value in words."""

from __future__ import annotations

import dataclasses

from seatrial.exporters import InputContract
from seatrial.harness.contract import candidates as values

_NUMBERS = ("divisor", "mean", "std")


def deviations(best: InputContract, declared: InputContract) -> dict[str, InputContract]:
    """Factor -> the best contract with that factor as declared, for every factor in which they differ.

    Mean and std count as the same if they are so channel by channel, or figure by figure: who declares another colour
    order may have turned the figures round, or not.
    """
    found: dict[str, InputContract] = {}
    figures = all(getattr(best, name) == getattr(declared, name) for name in _NUMBERS)
    alike = figures or values.same_numbers(best, declared)
    if best.color != declared.color:
        found["color"] = values.with_numbers(best, declared) if alike else values.with_color(best, declared.color)
    if not alike:
        found["numbers"] = values.with_color(values.with_numbers(best, declared), best.color)
    if values.rule_name(best) != values.rule_name(declared):
        found["resize"] = values.with_rule(best, declared)
    if best.interpolation != declared.interpolation:
        found["interpolation"] = dataclasses.replace(best, interpolation=declared.interpolation)
    if best.decoder != declared.decoder:
        found["decoder"] = dataclasses.replace(best, decoder=declared.decoder)
    return found


def spell(factor: str, contract: InputContract) -> str:
    """A factor's value in words."""
    words = {"numbers": values.numbers_name, "resize": values.rule_name}
    return words[factor](contract) if factor in words else str(getattr(contract, factor))
