"""How a model wants to be fed, found out on labelled images."""

from __future__ import annotations

from harness.contract.result import SearchResult
from harness.contract.search import search
from harness.contract.spec import ContractSpec

__all__ = ["ContractSpec", "SearchResult", "search"]
