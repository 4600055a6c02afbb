"""How a model wants to be fed, found out on labelled images."""

from __future__ import annotations

from seatrial.harness.contract.result import SearchResult
from seatrial.harness.contract.search import search
from seatrial.harness.spec.contract import ContractSpec

__all__ = ["ContractSpec", "SearchResult", "search"]
