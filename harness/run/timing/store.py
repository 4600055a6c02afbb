"""Filing what was timed, part by part: a run that is killed keeps what was finished."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from seatrial.engines import ENGINES
from seatrial.engines.places import PlacedEngine
from seatrial.harness.records.latencies import Samples, add_latencies
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.timing import place_key, read_timing, write_timing
from seatrial.harness.run.timing.machine import Machine


class Store:
    """timing.json and latency.parquet of a run directory, as one place adds to them; what is filed takes the place of
    what was there under the same name, and leaves the rest.
    """

    def __init__(self, directory: RunDirectory, board: str | None, machine: Machine) -> None:
        self._directory, self._machine = directory, machine
        self._record = read_timing(directory.timing)
        self._place: dict[str, Any] = self._record["places"].setdefault(place_key(board), {})

    def scenario(
        self,
        key: str,
        record: Mapping[str, Any],
        samples: Mapping[str, Samples],
        entries: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Of the targets that were timed. The samples are written first: what is named in timing.json has some."""
        add_latencies(self._directory.latency, {(name, key): one for name, one in samples.items()})
        self._place.setdefault("scenarios", {})[key] = dict(record)
        for name, entry in entries.items():
            self.target(name)[key] = dict(entry)
        self.write()

    def part(self, name: str, asked: Mapping[str, Any], found: Mapping[str, Any], tried: Iterable[str]) -> None:
        """found: build id -> JSON values. tried: the builds that were asked, also where they have nothing to tell."""
        parts = self._record.setdefault("parts", {})
        same = parts.get(name, {}).get("asked") == asked
        before = parts[name]["targets"] if same else []
        parts[name] = {"asked": dict(asked), "targets": list(dict.fromkeys((*before, *tried)))}
        for target, values in found.items():
            self.target(target)[name] = values
        self.write()

    def target(self, name: str) -> dict[str, Any]:
        """What stands there of a build, to be changed; `write` comes after."""
        entry: dict[str, Any] = self._record["targets"].setdefault(name, {})
        return entry

    def set(self, name: str, value: Any) -> None:
        """A field of the whole file."""
        self._record[name] = value

    def set_here(self, name: str, value: Any) -> None:
        """A field of the place."""
        self._place[name] = value

    def write(self) -> None:
        """Files it, with the machine as it is by now."""
        self._place["machine"] = self._machine.to_dict()
        write_timing(self._directory.timing, self._record)


def describe_place(engine: PlacedEngine, reading: Mapping[str, Any] | None) -> dict[str, Any]:
    """Where targets run: absolute limits hold there alone. reading: of the machine, None where it does not tell."""
    there, told = engine.there, reading or {}
    if ENGINES[engine.name].served:  # what is read is this machine, which asks
        unknown = dict.fromkeys(("model", "processor", "machine", "system", "cores", "memory_bytes"))
        return {"name": f"{engine.place.name}, asked from this machine", **unknown}
    return {
        "name": engine.place.name,
        "model": told.get("model"),
        "processor": told.get("processor"),
        "machine": there.processor.machine,
        "system": there.system,
        "cores": there.cores,
        "memory_bytes": there.memory_bytes,
    }
