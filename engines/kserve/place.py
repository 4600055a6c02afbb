"""An endpoint as a place: the process that asks it is here, and knows no other."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from seatrial.engines.kserve.credentials import environment_for
from seatrial.engines.kserve.endpoint import Endpoint
from seatrial.engines.places.arena import Arena
from seatrial.engines.places.asked import AskedPlace
from seatrial.engines.places.facts import Facts, facts_here
from seatrial.engines.places.local import linked
from seatrial.engines.places.place import Link
from seatrial.errors import UnsupportedError


class EndpointPlace(AskedPlace):
    """others: endpoints of the same run. Its facts are those of this machine, from which it is asked."""

    def __init__(
        self, endpoint: Endpoint, others: Sequence[Endpoint] = (), environment: Mapping[str, str] = os.environ
    ) -> None:
        super().__init__()
        self.endpoint, self.name = endpoint, f"endpoint {endpoint.name}"
        self._others, self._environment = tuple(others), environment

    def facts(self) -> Facts:
        """Those of this process."""
        return facts_here()

    def check_offered(self, engine: str, precision: str, device: str) -> None:
        """As for every place; UnsupportedError for another protocol than the endpoint's."""
        if device != self.endpoint.address.protocol:
            raise UnsupportedError(
                f"Endpoint {self.endpoint.name} is asked over {self.endpoint.address.protocol}, not over {device}."
            )
        super().check_offered(engine, precision, device)

    def connect(self, lanes: int, arena: Arena | None, memory_bytes: int | None = None) -> Link:
        """Images travel to the process, as to a board: several batches are under way at once. UnsupportedError for a
        token that must not be sent.
        """
        return linked(lanes, None, environment_for(self.endpoint, self._others, self._environment))
