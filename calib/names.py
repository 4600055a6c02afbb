"""Names of nodes that a user gives, checked against the graph."""

from __future__ import annotations

import difflib
from collections.abc import Collection

import onnx

from seatrial.errors import UsageError


def check_names(names: Collection[str], graph: onnx.GraphProto, flag: str) -> None:
    """UsageError for the first that no node has, with those that come close.

    The graph is the prepared one: a BatchNormalization that was folded away has no name there any more.
    """
    known = [node.name for node in graph.node]
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=5, cutoff=0.4) or known[:5]
            raise UsageError(f"{flag}: there is no node {name!r}. Close to it: {', '.join(close)}.")
