"""How adversarial images are made: AttackOptions."""

from __future__ import annotations

import argparse

from seatrial.harness.command.flags.parser import Given, replaced
from seatrial.harness.spec.attacks import AttackOptions


def add(parser: argparse.ArgumentParser) -> None:
    """How adversarial images are made."""
    group = parser.add_argument_group("attacks", "how adversarial images are made; which ones, --conditions says")
    group.add_argument(
        "--surrogate",
        action="append",
        metavar="[NAME=]MODEL",
        help="repeatable; another network to make them on, as in attack/pgd-linf@2+NAME",
    )
    group.add_argument("--restarts", type=int, metavar="N", help="random starts of iterated attacks (default: 1)")
    group.add_argument("--queries", type=int, metavar="N", help="of black-box attacks, for each image (default: 1000)")
    group.add_argument("--attack-device", metavar="NAME", help="of the gradients: cpu or cuda:N (default: cpu)")


def take(given: Given, base: AttackOptions) -> AttackOptions:
    """The part; further surrogates go beside those that are there."""
    if "surrogate" in given:
        given["surrogates"] = tuple(dict.fromkeys((*base.surrogates, *given.pop("surrogate"))))
    fields = {"surrogates": "surrogates", "restarts": "restarts", "queries": "queries", "attack_device": "device"}
    return replaced(base, given, fields)
