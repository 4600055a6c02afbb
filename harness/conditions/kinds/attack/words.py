"""How the figures of attacks are spelled, the same in the terminal and in the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.harness.attacks.ids import ATTACK, BLACKBOX, SOURCE

AR_AND_ROBUST_ACCURACY = (
    "Robust accuracy is of all images; AR and WCAR are of those that the target gets right without attack, WCAR under "
    "every attack at once, so that a target that is wrong anyway does not look robust."
)
TRANSFER = (
    "Transfer rate: of the images that the network they were made on and the target both get right without attack, the "
    "share that the target then gets wrong."
)
FLOAT = "float: no 8-bit image but the clean one lies within eps, so these images stay floats."

_VERDICTS = {"pass": "pass", "fail": "FAIL", "incomplete": "incomplete", "inconclusive": "too few images"}
_MADE = {"white box": "on its own file", "queries": "by queries"}


def masking(target: Mapping[str, Any]) -> str:
    """What stands beside every figure of a target: "masking: FAIL"."""
    return f"masking: {_VERDICTS[target['masking']['verdict']]}"


def label(condition: str, described: Mapping[str, Any]) -> str:
    """`attack/pgd-linf@0.5` -> "pgd-linf@0.5 float": "float" where its images cannot be 8-bit ones."""
    return f"{condition.removeprefix(ATTACK).removeprefix(BLACKBOX)}{as_float(described, ' ')}"


def as_float(described: Mapping[str, Any], between: str) -> str:
    """What follows the name of images that are no 8-bit ones."""
    return "" if described["eight_bit"] else f"{between}float"


_NORMS = {"linf": "L∞", "l2": "L2", "l1": "L1"}
_NAMES = {"hopskipjump": "HopSkipJump", "autoattack": "AutoAttack", "square": "Square"}
# Behind a name, on its own.
_WORDS = ("scaled", "dense")


def title(condition_id: str) -> str:
    """An id as people read it; surrogates other than the float model are named.

    >>> title("attack/pgd-linf@2+qdq"), title("blackbox/square-l2@0.5")
    ('PGD, L∞ 2/255, made on qdq', 'Square, L2 0.5, by queries')
    """
    name, found, rest = condition_id.removeprefix(ATTACK).removeprefix(BLACKBOX).partition("@")
    eps, _, surrogate = rest.partition("+")
    _, _, norm = name.rpartition("-")
    if not found or norm not in _NORMS:
        return condition_id
    made = "by queries" if condition_id.startswith(BLACKBOX) else f"made on {surrogate or SOURCE}"
    return f"{attack_title(name)}, {_NORMS[norm]} {eps}{'/255' if norm == 'linf' else ''}, {made}"


def cell(condition_id: str) -> tuple[str, str]:
    """`attack/pgd-linf@2+qdq` -> "PGD, made on qdq", "L∞ 2/255"."""
    parts = title(condition_id).split(", ", 2)
    return (f"{parts[0]}, {parts[2]}", parts[1]) if len(parts) == 3 else (title(condition_id), "")


def panel_title(row: Mapping[str, Any]) -> str:
    """As `made`, for a panel: "PGD L∞, on its own file"."""
    name, _, norm = row["attack"].rpartition("-")
    known = norm in _NORMS and bool(name)
    return f"{attack_title(row['attack'])} {_NORMS[norm]}, {_way(row)}" if known else made(row)


def attack_title(name: str) -> str:
    """`di-mi-fgsm-linf` -> "DI-MI-FGSM"."""
    first, *rest = name.rpartition("-")[0].split("-")
    words = [_NAMES.get(first, first.upper())]
    words += [f" {one}" if one in _WORDS else f"-{_NAMES.get(one, one.upper())}" for one in rest]
    return "".join(words)


def strength(norm: str, eps: float) -> str:
    """A radius: "2/255" for L-inf, else in units of pixels in [0, 1]: "0.5"."""
    return f"{_short(eps)}/255" if norm == "linf" else _short(eps)


def robust(values: Mapping[str, Any] | None) -> str:
    """Robust accuracy: "45.20 (+1.30)", with a star where the images were made on the own file; a dash for None."""
    if values is None:
        return "-"
    against = values["vs_reference"]
    delta = "" if against is None else f" ({_signed(against['delta'])})"
    return f"{values['top1'] * 100:.2f}{delta}{'*' if values['white_box'] else ''}"


def rate(found: Mapping[str, Any] | None, interval: bool = True) -> str:
    """In per cent: "45.20 [43.10, 47.30]"; a dash for None."""
    if found is None:
        return "-"
    low, high = found["ci95"]
    text = f"{found['rate'] * 100:.2f}"
    return f"{text} [{low * 100:.2f}, {high * 100:.2f}]" if interval else text


def transfer(values: Mapping[str, Any] | None) -> str:
    """Transfer rate without its interval: "31.20", with a star where the images were made on the own file."""
    if values is None:
        return "-"
    return f"{rate(values['transfer'], interval=False)}{'*' if values['white_box'] else ''}"


def points(found: Mapping[str, Any] | None) -> str:
    """In percentage points: "+1.30 [-0.20, +2.80]"; a dash for None."""
    if found is None:
        return "-"
    low, high = found["ci95"]
    return f"{_signed(found['delta'])} [{_signed(low)}, {_signed(high)}]"


def top1(values: Mapping[str, Any]) -> str:
    """Robust accuracy with its interval."""
    return rate({"rate": values["top1"], "ci95": values["top1_ci95"]})


def group(row: Mapping[str, Any]) -> str:
    """A row of worst cases: "linf 2/255", "all attacks"."""
    return "all attacks" if row["norm"] is None else f"{row['norm']} {strength(row['norm'], row['eps'])}"


def worst_cases(row: Mapping[str, Any] | None) -> str:
    """WCAR on the own file, from the source, under everything: "10.20 / 31.00 / 9.80"; dashes for what is not there."""
    if row is None:
        return "-"
    return " / ".join(rate(row[view], interval=False) for view in ("white_box", "transfer", "all"))


def groups(block: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of worst cases that any target has, each norm by strength, all attacks last."""
    found = {(row["norm"], row["eps"]): row for target in block["targets"].values() for row in target["wcar"]}
    norms = ["linf", "l2", "l1", None]
    return [found[key] for key in sorted(found, key=lambda key: (norms.index(key[0]), key[1] or 0))]


def of_group(target: Mapping[str, Any], row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The target's row of the same norm and strength."""
    return next((one for one in target["wcar"] if (one["norm"], one["eps"]) == (row["norm"], row["eps"])), None)


def evasions(block: Mapping[str, Any]) -> list[str]:
    """DIVA's conditions, and PGD's on the same file at the same strength for comparison."""
    wanted = []
    for condition, one in block["conditions"].items():
        if one["attack"] == "diva-linf":
            wanted.append(condition)
            wanted.extend(
                name
                for name, other in block["conditions"].items()
                if (other["attack"], other["eps"], other["surrogate"]) == ("pgd-linf", one["eps"], one["surrogate"])
            )
    return wanted


def evasion(values: Mapping[str, Any] | None, interval: bool = True) -> str:
    """Wrong here alone, and wrong on the reference, too: "52.00 / 10.00"; a dash for None."""
    found = values and values["evasion"]
    return f"{rate(found['evasive'], interval)} / {rate(found['noticed'], interval)}" if found else "-"


def queries(values: Mapping[str, Any] | None) -> list[str]:
    """Median, mean and largest number, of what was attacked and of what fell: "312 / 400.5 / 1000" and "12 fell: 80 /
    95.5 / 300"; a dash for None.
    """
    found = values and values["queries"]
    if not found or found["attacked"] is None:
        return ["-"]
    attacked, fell = found["attacked"], found["successful"]
    return [_counts(attacked), "none fell" if fell is None else f"{fell['images']} fell: {_counts(fell)}"]


def distance(one: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """The farthest image, in the units of eps: "8/255"."""
    return strength(one["norm"], values["distance_max"])


def masked_lines(block: Mapping[str, Any]) -> list[str]:
    """A sentence for each check of masked gradients that failed."""
    return [
        f'{name}: gradients may be masked: the check "{check["name"]}" failed. {check["says"]}'
        for name, target in block["targets"].items()
        for check in target["masking"]["checks"]
        if check["status"] == "fail"
    ]


def open_lines(block: Mapping[str, Any]) -> list[str]:
    """For each target one sentence on the checks for which the images are too few, one on those that were not run."""
    lines: list[str] = []
    for name, target in block["targets"].items():
        checks = target["masking"]["checks"]
        few = [check for check in checks if check["status"] == "inconclusive"]
        if few:
            named = ", ".join(f'"{check["name"]}"' for check in few)
            needed = [check["needed"] for check in few]
            more = "" if None in needed else f"; {max(needed):,} would do if they are like these"
            lines.append(f"{name}: too few images for the masking check{'s' if few[1:] else ''} {named}{more}.")
        lacking = [check for check in checks if check["status"] == "not run"]
        if lacking:
            missing = dict.fromkeys(one for check in lacking for one in check["missing"])
            named = "; ".join(check["name"] for check in lacking)
            lines.append(f"{name}: masking checks not run: {named}. Add {', '.join(missing)}.")
    return lines


def made(row: Mapping[str, Any]) -> str:
    """What was asked, of a crossing: "pgd-linf on its own file", "pgd-linf on fp32", "square-linf by queries"."""
    return f"{row['attack']} {_way(row)}"


def _way(row: Mapping[str, Any]) -> str:
    return _MADE.get(row["made"], f"on {row['surrogate']}")


def passages(row: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The directions in which a curve passes its reference: ("passes" or "falls below", figures)."""
    found = (("passes", row["upward"]), ("falls below", row["downward"]))
    return [(verb, passage) for verb, passage in found if passage["eps"] is not None]


def place(row: Mapping[str, Any], passage: Mapping[str, Any]) -> str:
    """Where: "eps* = 3.1/255 [2.4, 4]"."""
    low, high = passage["ci95"]
    return f"eps* = {strength(row['norm'], passage['eps'])} [{_short(low)}, {_short(high)}]"


def sides(passage: Mapping[str, Any]) -> str:
    """On which sides the difference is significant."""
    before, after = passage["before_significant"], passage["after_significant"]
    if before and after:
        return "significant on both sides"
    return f"significant only {'below' if before else 'above'}" if before or after else "significant on neither side"


def certain(passage: Mapping[str, Any]) -> bool:
    """Whether the curves lie apart on both sides by more than chance."""
    return bool(passage["before_significant"] and passage["after_significant"])


def standing(differences: Sequence[float]) -> str:
    """Where a curve lies that crosses nothing."""
    signs = {(one > 0) - (one < 0) for one in differences} - {0}
    return {-1: "never above it", 1: "never below it"}[signs.pop()] if signs else "equal at every eps"


def crossing_lines(block: Mapping[str, Any], reference: str) -> list[str]:
    """Sentences: one for each passage that is no chance, and for each target how many others there are."""
    lines: list[str] = []
    for name, target in block["targets"].items():
        chance = 0
        apart: Counter[str] = Counter()
        for row in target["crossings"]:
            found = passages(row)
            if not found:
                apart[standing(row["differences"])] += 1
            for verb, passage in found:
                told = f"{verb} {reference} at {place(row, passage)} under {made(row)}"
                if certain(passage):
                    before, after = ("less", "more") if verb == "passes" else ("more", "less")
                    accurate = f"{before} accurate below, {after} above, both beyond chance"
                    lines.append(f"{name} {told}: {accurate} ({masking(target)}).")
                else:
                    chance += 1
        others = [f"{where} under {count} attack{'' if count == 1 else 's'}" for where, count in apart.items()]
        if chance:
            others.insert(0, f"{chance} crossing{'' if chance == 1 else 's'} not beyond chance on both sides")
        if others:
            lines.append(f"{name} and {reference} from strength to strength: {'; '.join(others)} ({masking(target)}).")
    return lines


def has_floats(block: Mapping[str, Any]) -> bool:
    """Whether some images are no 8-bit ones."""
    return any(not one["eight_bit"] for one in block["conditions"].values())


def by_queries(block: Mapping[str, Any]) -> list[str]:
    """The conditions whose images were found by queries."""
    return [name for name, one in block["conditions"].items() if one["surrogate"] is None]


def _counts(found: Mapping[str, Any]) -> str:
    return f"{found['median']:g} / {found['mean']:.1f} / {found['max']}"


def _short(value: float) -> str:
    """Three digits, without an exponent for thousands."""
    return f"{float(f'{value:.3g}'):g}"


def _signed(share: float) -> str:
    text = f"{share * 100:+.2f}"
    return "+0.00" if text == "-0.00" else text
