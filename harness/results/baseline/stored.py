"""A run as its directory keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import BadInputError, UsageError
from seatrial.harness.records.predictions import Predictions
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.shards import check_no_shard
from seatrial.harness.records.spec import check_run
from seatrial.harness.records.trials import read_any_trial, trials_in


class StoredRun:
    """identity: what shaped its trials; environment: where it ran; class_names: of its model, None where they are not
    known. trials: (target, condition) -> the file.
    """

    def __init__(self, root: Path, flag: str) -> None:
        """flag: what names it in errors. UsageError where there is no run, or none that is finished; BadInputError for
        a description that is damaged.
        """
        check_run(flag, root)
        description = RunDirectory(root).description()
        assert description is not None
        check_no_shard(flag, root, description)
        self.root = root
        self.identity: Mapping[str, Any] = description["identity"]
        self.environment: Mapping[str, Any] = description.get("environment") or {}
        names = description.get("class_names")
        self.class_names = None if names is None else [str(name) for name in names]
        asked = description["asked"]["targets"]
        found = trials_in(root / "trials")
        self.trials = {key: path for key, path in found.items() if key[0] in asked}
        self.targets = [name for name in asked if any(target == name for target, _ in self.trials)]
        if not self.trials:
            raise UsageError(f"{flag} {root} has no finished trial. Let that run come to its end first.")

    def conditions(self, target: str) -> list[str]:
        """Those that the target answered."""
        return [condition for name, condition in self.trials if name == target]

    def read(self, target: str, condition: str) -> tuple[list[str], Predictions]:
        """Image ids and rows; DamagedError where the file is not what was written, BadInputError where an image is
        there twice.
        """
        ids, rows = read_any_trial(self.trials[target, condition])
        if len(set(ids)) < len(ids):
            raise BadInputError(f"{self.trials[target, condition]} has an image twice.")
        return ids, rows
