"""The names of the rewrites; each is one function, filed by `@REWRITES.register`."""

from __future__ import annotations

from collections.abc import Callable

from seatrial.exporters.model import DeployableModel
from seatrial.registry import Registry

# The rewritten model, the given one left as it is; or why there is nothing to rewrite, as a clause without a full stop.
Rewrite = Callable[[DeployableModel], DeployableModel | str]
REWRITES: Registry[Rewrite] = Registry("graph rewrite")
