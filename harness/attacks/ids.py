"""Attack conditions: which there are, what their ids say, and at which strengths the papers ask for them.

Ids are `attack/NAME@EPS` for images made on the fp32 source, `attack/NAME@EPS+SURROGATE` for another surrogate, and
`blackbox/NAME@EPS` for images found by asking the engine itself. EPS is in 255ths for L-inf, and in units of pixels in
[0, 1] for L2 and L1. Nothing here needs PyTorch.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from seatrial.errors import UsageError
from seatrial.registry import Registry
from seatrial.text import meant

ATTACK = "attack/"
BLACKBOX = "blackbox/"
# The surrogate that an id without a surrogate stands for: the float32 source of the model under test.
SOURCE = "fp32"
# The quantized graph itself, with straight-through gradients.
QDQ = "qdq"

# Small, mid and large (RobustART): L-inf in 255ths, L2 and L1 in units of pixels in [0, 1].
STRENGTHS: dict[str, tuple[float, float, float]] = {"linf": (0.5, 2, 8), "l2": (0.5, 2, 8), "l1": (100, 400, 1600)}
STRENGTH_WORDS = ("small", "mid", "large")


@dataclasses.dataclass(frozen=True)
class AttackKind:
    """norm: `linf`, `l2` or `l1`. blackbox: asks the engine, not a surrogate. pair: needs the fp32 source beside the
    surrogate, and has no sense on that source. classes: the least number of classes. check: asked for to tell masked
    gradients from robustness, not for itself. function: `Problem -> Tensor` of one on gradients from another package;
    ours register theirs (`harness.attacks.problem`).
    """

    norm: str
    blackbox: bool = False
    pair: bool = False
    classes: int = 2
    check: bool = False
    function: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        """ValueError for an unknown norm."""
        if self.norm not in STRENGTHS:
            raise ValueError(f"the norm is {self.norm!r}; there are {', '.join(STRENGTHS)}")


def _accept(name: str, named: Any) -> AttackKind:
    if not isinstance(named, AttackKind) or named.function is None:
        raise TypeError("an attack is a seatrial.harness.attacks.ids.AttackKind with its function")
    if named.blackbox:
        raise ValueError("attacks of other packages are made on gradients")
    if not _NAME.fullmatch(name) or not name.endswith(f"-{named.norm}"):
        raise ValueError(f"an attack's name is of a-z, 0-9 and -, and ends in its norm: {name}-{named.norm}")
    return named


_NAME = re.compile("[a-z0-9-]+")
# In the order of reports.
ATTACKS: Registry[AttackKind] = Registry("attack", group="seatrial.attacks", accept=_accept)
for _name, _kind in {
    "fgsm-linf": AttackKind("linf"),  # one step along the gradient's sign
    "pgd-linf": AttackKind("linf"),  # 20 projected steps of 0.075 eps
    "pgd-l2": AttackKind("l2"),  # 20 projected steps of 0.075 eps
    "pgd-l1": AttackKind("l1"),  # 20 projected sparse steps
    "pgd-dense-l1": AttackKind("l1"),  # 20 projected steps along the whole gradient, of 120 at 224 px
    "mi-fgsm-linf": AttackKind("linf"),  # 20 steps with momentum
    "mim-linf": AttackKind("linf"),  # the same in steps of .002
    "di-mi-fgsm-linf": AttackKind("linf"),  # 20 steps with momentum on randomly resized images
    "apgd-ce-linf": AttackKind("linf"),  # 100 steps that set their own size, on cross-entropy
    "apgd-ce-l2": AttackKind("l2"),  # 100 steps that set their own size, on cross-entropy
    "apgd-dlr-linf": AttackKind("linf", classes=3),  # likewise, on the difference of logits ratio
    "apgd-t-linf": AttackKind("linf", classes=4),  # likewise, towards each of nine other classes
    "apgd-t-l2": AttackKind("l2", classes=4),  # likewise, towards each of nine other classes
    "fab-t-linf": AttackKind("linf"),  # the nearest image across each of nine decision boundaries
    "diva-linf": AttackKind("linf", pair=True),  # wrong on the quantized model, still right on fp32
    "autoattack-linf": AttackKind("linf", classes=4),  # the standard ensemble: APGD-CE, APGD-T, FAB-T, Square
    "autoattack-l2": AttackKind("l2", classes=4),  # the standard ensemble: APGD-CE, APGD-T, FAB-T, Square
    "pgd-scaled-linf": AttackKind("linf", check=True),  # PGD on logits divided by 10 and by 0.1
    "square-linf": AttackKind("linf", blackbox=True),  # random squares, by scores
    "square-l2": AttackKind("l2", blackbox=True),  # random squares, by scores
    "hopskipjump-l2": AttackKind("l2", blackbox=True),  # walks along the decision boundary, by labels
}.items():
    ATTACKS.register(_name)(_kind)


@dataclasses.dataclass(frozen=True)
class AttackId:
    """What an id says. eps: as in the id. surrogate: None for a black-box attack."""

    name: str
    eps: float
    surrogate: str | None

    @property
    def kind(self) -> AttackKind:
        """What the attack is."""
        return ATTACKS[self.name]

    @property
    def radius(self) -> float:
        """eps in units of pixels in [0, 1], whatever the norm."""
        return self.eps / 255 if self.kind.norm == "linf" else self.eps

    @property
    def eight_bit(self) -> bool:
        """False where no 8-bit image but the clean one lies within eps: such images stay floats."""
        return self.radius * 255 >= 1 - 1e-9

    def __str__(self) -> str:
        prefix = BLACKBOX if self.kind.blackbox else ATTACK
        suffix = "" if self.surrogate in (None, SOURCE) else f"+{self.surrogate}"
        return f"{prefix}{self.name}@{self.eps:.10g}{suffix}"


_ID = re.compile(
    r"(?P<prefix>attack/|blackbox/)(?P<name>[a-z0-9-]+)@(?P<eps>[a-z]+|[0-9]+(?:[.][0-9]+)?)(?:[+](?P<surrogate>.+))?"
)


def is_attack(condition_id: str) -> bool:
    """True for ids of attacks, with or without queries."""
    return condition_id.startswith((ATTACK, BLACKBOX))


def parse_attack(condition_id: str) -> AttackId:
    """The inverse of `str`; also takes `small`, `mid` and `large` for eps. UsageError for anything else."""
    found = _ID.fullmatch(condition_id)
    if found is None:
        raise UsageError(
            f"{condition_id!r} is no attack's id: they look like attack/pgd-linf@2, attack/pgd-linf@2+qdq or "
            "blackbox/square-linf@8."
        )
    name = found["name"]
    ATTACKS.refuse_broken(name)
    if name not in ATTACKS or ATTACKS[name].blackbox != (found["prefix"] == BLACKBOX):
        known = [f"{BLACKBOX if one.blackbox else ATTACK}{other}" for other, one in ATTACKS.items()]
        hint = meant(found["prefix"] + name, known)
        raise UsageError(f"Unknown attack in {condition_id!r}.{hint} Known: {', '.join(known)}.")
    kind = ATTACKS[name]
    if kind.blackbox and found["surrogate"] is not None:
        raise UsageError(f"{condition_id!r}: a black-box attack asks the engine itself and has no surrogate.")
    strengths = dict(zip(STRENGTH_WORDS, STRENGTHS[kind.norm], strict=True))
    word = found["eps"]
    if word in strengths:
        eps = strengths[word]
    elif word.isalpha():
        raise UsageError(f"{condition_id!r}: eps is a number, or one of {', '.join(STRENGTH_WORDS)}.")
    else:
        eps = float(word)
    limit = 255.0 if kind.norm == "linf" else math.inf
    if not 0 < eps <= limit:
        raise UsageError(f"{condition_id!r}: eps must be above 0{'' if math.isinf(limit) else ' and at most 255'}.")
    return AttackId(name, eps, None if kind.blackbox else found["surrogate"] or SOURCE)


@dataclasses.dataclass(frozen=True)
class Surrogates:
    """What a run's images may be made on. names: as in ids, in the order of reports, the source first. own: those that
    are some target's own file, its white box. quantized: the model's own quantized files, which `+qdq` stands for.
    """

    names: tuple[str, ...] = (SOURCE, QDQ)
    own: frozenset[str] = frozenset({SOURCE, QDQ})
    quantized: frozenset[str] = frozenset({QDQ})

    @property
    def white_boxes(self) -> list[str]:
        """Those that are a target's own file, in order."""
        return [name for name in self.names if name in self.own]

    def has_sense(self, kind: AttackKind, surrogate: str) -> bool:
        """Whether such images may be made on it: those that need the source beside a file are made on a target's."""
        return not kind.pair or (surrogate != SOURCE and surrogate in self.own)

    def meant(self, asked: AttackId) -> list[str]:
        """The surrogates that an id stands for."""
        if asked.surrogate != QDQ:
            return [str(asked.surrogate)]
        return [name for name in self.names if name in self.quantized]


def known_attack_ids(surrogates: Surrogates = Surrogates(), further: Sequence[float] = ()) -> list[str]:
    """The ids at the papers' strengths, and at `further` ones, in the order of reports."""
    ids: list[str] = []
    for name, kind in ATTACKS.items():
        for surrogate in (None,) if kind.blackbox else surrogates.names:
            if surrogate is None or (
                surrogates.has_sense(kind, surrogate) and not (kind.check and surrogate not in surrogates.own)
            ):
                found = [AttackId(name, eps, surrogate) for eps in sorted({*STRENGTHS[kind.norm], *further})]
                ids.extend(str(one) for one in found if one.eight_bit or not kind.blackbox)
    return ids


def refusal(attack: AttackId, classes: int, dtype: str) -> str | None:
    """Why an attack has no sense for a model of so many classes and that input type; None where it has."""
    if classes < attack.kind.classes:
        return f"it needs at least {attack.kind.classes} classes"
    if attack.eight_bit:
        return None
    if attack.kind.blackbox:
        return "the engine is asked about 8-bit images, and none but the clean one lies within eps"
    return (
        "no 8-bit image but the clean one lies within eps, and the model takes no others" if dtype == "uint8" else None
    )


# One step, iterated, with momentum, self-adjusting, and made for the pair: on every surrogate at the papers' strengths.
_SUITE = ("fgsm-linf", "pgd-linf", "mi-fgsm-linf", "di-mi-fgsm-linf", "apgd-ce-linf", "apgd-dlr-linf", "diva-linf")
# What the masking checks ask for beside them: a radius at which everything must fall, scaled logits, and queries.
REACHES_ZERO = 64.0
_CHECKS = (("pgd-linf", REACHES_ZERO), ("pgd-scaled-linf", 2.0), ("square-linf", 2.0), ("square-linf", 8.0))
ATTACK_SUITES = ("attack", "attack-full")


def suite_ids(suite: str, surrogates: Surrogates) -> list[str]:
    """The attacks of a suite, in the order of reports; none of a suite without attacks."""
    if suite not in ATTACK_SUITES:
        return []
    found = [
        one for one in map(parse_attack, known_attack_ids(surrogates)) if suite == "attack-full" or one.name in _SUITE
    ]
    return in_order([*found, *masking_ids(surrogates)], surrogates.names)


def masking_ids(surrogates: Surrogates) -> list[AttackId]:
    """What the masking checks need."""
    found: list[AttackId] = []
    for name, eps in _CHECKS:
        blackbox = ATTACKS[name].blackbox
        found.extend(AttackId(name, eps, one) for one in ((None,) if blackbox else surrogates.white_boxes))
    return found


def matching_ids(glob: str, surrogates: Surrogates) -> list[str]:
    """The ids that a glob matches; one without wildcards is an id, of any eps, and `+qdq` stands for every quantized
    file. UsageError for an id that has no sense.
    """
    if _is_pattern(glob):
        named = [float(number) for number in re.findall("@([0-9]+(?:[.][0-9]+)?)", glob)]
        return [name for name in known_attack_ids(surrogates, named) if fnmatch.fnmatchcase(name, glob)]
    if not is_attack(glob):
        return []
    asked = parse_attack(glob)
    if asked.surrogate is None:
        return [str(asked)]
    names = surrogates.meant(asked)
    if not names or not set(names) <= set(surrogates.names):
        raise UsageError(
            f"{glob!r}: there is no surrogate {asked.surrogate!r} in this run; there are "
            f"{', '.join(surrogates.names)}. qdq is the file of a quantized target (--bits 8); a further file to be "
            "tested is given with --variant, another network with --surrogate."
        )
    for name in names:
        if not surrogates.has_sense(asked.kind, name):
            raise UsageError(
                f"{glob!r} has no sense: {asked.name} is made on a quantized file, as in +qdq, or on a variant's."
            )
    return [str(dataclasses.replace(asked, surrogate=name)) for name in names]


def names_file(glob: str, attack: AttackId, surrogates: Surrogates) -> bool:
    """True for a glob that asks for this attack by the file that its images are made on."""
    if "+" not in glob:
        return False
    if _is_pattern(glob):
        return fnmatch.fnmatchcase(str(attack), glob)
    if not is_attack(glob):  # a decoder and a filter of the input pipeline have a `+` between them, too
        return False
    asked = parse_attack(glob)
    return (asked.name, asked.eps) == (attack.name, attack.eps) and attack.surrogate in surrogates.meant(asked)


def _is_pattern(glob: str) -> bool:
    return any(character in glob for character in "*?[")


def in_order(found: Iterable[AttackId], surrogates: Sequence[str]) -> list[str]:
    """Their ids, each once: by attack, surrogate and strength."""
    names, places = list(ATTACKS), [None, *surrogates]
    ordered = sorted(set(found), key=lambda one: (names.index(one.name), places.index(one.surrogate), one.eps))
    return [str(one) for one in ordered]
