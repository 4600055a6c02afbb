"""What other packages add: every entry point, and whether it is used."""

from __future__ import annotations

from typing import Any

from seatrial.engines import ENGINES
from seatrial.harness.attacks.ids import ATTACKS
from seatrial.harness.conditions.corruptions import CORRUPTIONS
from seatrial.harness.conditions.kinds.registry import KINDS
from seatrial.harness.data.outside import SOURCES
from seatrial.harness.results.outside import CHECKS
from seatrial.registry import Registry

OPEN: tuple[Registry[Any], ...] = (ENGINES, KINDS, CORRUPTIONS, ATTACKS, SOURCES, CHECKS)


def describe_plugins() -> list[dict[str, Any]]:
    """Per entry point: `group`, `name`, `package`, `version`, `state` (usable or broken) and `error`, None where it is
    usable.
    """
    return [plugin.to_dict() for registry in OPEN for plugin in registry.plugins()]
