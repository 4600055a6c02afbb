"""The run directory: whose it is, and where its parts lie."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import BadInputError, DamagedError, UsageError
from seatrial.files import TEMPORARY_PREFIX
from seatrial.harness.records.checked import read_values, write_values
from seatrial.harness.records.differences import differences
from seatrial.harness.records.lock import LOCK


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """Paths of one run's files; nothing is created before `begin`."""

    root: Path

    @property
    def run_json(self) -> Path:
        """Resolved spec, environment, hashes."""
        return self.root / "run.json"

    @property
    def trials(self) -> Path:
        """Folder of the trials' Parquet files."""
        return self.root / "trials"

    @property
    def latency(self) -> Path:
        """Raw latency samples, Parquet."""
        return self.root / "latency.parquet"

    @property
    def timing(self) -> Path:
        """How the samples were taken, and on what a machine; what else was measured of time, memory and energy."""
        return self.root / "timing.json"

    @property
    def loadgen(self) -> Path:
        """Folder of the logs of MLPerf's load generator."""
        return self.root / "loadgen"

    @property
    def audit(self) -> Path:
        """Requested and realized precision per layer."""
        return self.root / "audit.json"

    @property
    def findings(self) -> Path:
        """Evidence of what may be wrong (`harness.findings`)."""
        return self.root / "findings.json"

    @property
    def nodes(self) -> Path:
        """Where else trials were run, and what came of repeating some; not there where all were run here."""
        return self.root / "nodes.json"

    @property
    def failures(self) -> Path:
        """The targets that came to no end; not there where all did."""
        return self.root / "failures.json"

    def tell_failures(self, failures: list[dict[str, Any]]) -> None:
        """Writes them, or removes those of an earlier try."""
        if failures:
            write_values(self.failures, {"failed": failures})
        else:
            self.failures.unlink(missing_ok=True)

    def told_failures(self) -> list[dict[str, Any]]:
        """Those that are written there."""
        return list(read_values(self.failures)["failed"]) if self.failures.exists() else []

    @property
    def spent(self) -> Path:
        """How long the trials took, summed over the processes that came to their end."""
        return self.root / "spent.json"

    def add_spent(self, seconds: dict[str, float]) -> None:
        """Adds one process's seconds to those that are there."""
        total = dict(seconds)
        if self.spent.exists():
            for name, value in read_values(self.spent).items():
                total[name] = total.get(name, 0.0) + float(value)
        write_values(self.spent, total)

    @property
    def flips(self) -> Path:
        """Which answers changed against the reference's, with pictures of the worst."""
        return self.root / "flips.json"

    @property
    def places(self) -> Path:
        """Which images two places answer differently; not there where none are compared."""
        return self.root / "places.json"

    @property
    def summary(self) -> Path:
        """The machine-readable result."""
        return self.root / "summary.json"

    @property
    def report(self) -> Path:
        """The report for people."""
        return self.root / "report.html"

    @property
    def made_of_summary(self) -> list[Path]:
        """What other programs read of it."""
        return [self.root / name for name in ("report.md", "junit.xml", "metrics.json", "bencher.json")]

    def description(self) -> dict[str, Any] | None:
        """run.json, None where the folder is new or empty, or a run's without it; UsageError where it holds something
        else, BadInputError for a file that is no run's description.
        """
        self.check_ours()
        if not self.run_json.exists():
            return None
        try:
            stored = read_values(self.run_json)
        except DamagedError as error:
            raise DamagedError(
                f"{self.run_json} is damaged, or not a run's description. Choose another folder."
            ) from error
        if not _is_description(stored):
            raise BadInputError(f"{self.run_json} is not a run's description. Choose another --out.")
        return stored

    def check_there(self) -> None:
        """UsageError where a run that is going on has lost its folder."""
        if not self.run_json.exists():
            raise UsageError(
                f"{self.root} is not the run's folder any more: it was moved or removed meanwhile. Put it back, and "
                "repeat the command: what it holds is kept."
            )

    def check_ours(self) -> None:
        """UsageError for a file, and for a folder that holds something else than a run."""
        if self.root.exists() and not self.root.is_dir():
            raise UsageError(f"--out {self.root} is a file, not a folder.")
        if self._entries() and not self.run_json.exists() and not self.is_begun():
            raise UsageError(f"--out {self.root} holds files but no run. Choose a new or empty folder.")

    def _entries(self) -> list[Path]:
        """What lies here, but for a lock, and for what a killed process left half written."""
        entries = list(self.root.iterdir()) if self.root.exists() else []
        return [one for one in entries if one.name != LOCK and not one.name.startswith(TEMPORARY_PREFIX)]

    def is_begun(self) -> bool:
        """True where a run wrote all that lies here, trials among it, whether run.json can be read or not."""
        parts = (
            self.run_json,
            self.latency,
            self.timing,
            self.audit,
            self.findings,
            self.nodes,
            self.failures,
            self.spent,
            self.flips,
            self.places,
        )
        known = {path.name for path in (*parts, self.summary, self.report, *self.made_of_summary)}
        return self.trials.is_dir() and {one.name for one in self._entries() if one.is_file()} <= known

    def check(self, stored: Mapping[str, Any] | None, identity: Mapping[str, Any]) -> None:
        """UsageError where what the folder holds was shaped otherwise than what is asked for now: a run is extended by
        targets and conditions, and each stays what it was.

        stored: its description. identity: `run`, `targets` and `conditions`, as in run.json.
        """
        if stored is None:
            return
        held = stored["identity"]
        found = differences(held["run"], identity["run"])
        for part in ("targets", "conditions"):
            for name in held[part].keys() & identity[part].keys():
                found.extend(differences(held[part][name], identity[part][name], name))
        if found:
            raise UsageError(
                f"--out {self.root} holds a run of another spec; they differ in: {', '.join(sorted(found))}. "
                "Choose another --out, or repeat the command of that run to continue it."
            )

    def begin(self, description: dict[str, Any]) -> None:
        """Creates the folder with its run.json, or brings the one that is there up to date."""
        if not self.run_json.exists() or read_values(self.run_json) != description:
            write_values(self.run_json, description)


def _is_description(stored: Any) -> bool:
    """True for what run.json holds."""
    if not isinstance(stored, dict):
        return False
    identity, asked = stored.get("identity"), stored.get("asked")
    return (
        isinstance(identity, dict)
        and isinstance(asked, dict)
        and all(isinstance(identity.get(part), dict) for part in ("run", "targets", "conditions"))
        and all(isinstance(asked.get(part), list) for part in ("targets", "conditions"))
        and all(isinstance(name, str) for part in ("targets", "conditions") for name in asked[part])
    )
