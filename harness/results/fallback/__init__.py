"""Why a layer does not run at the precision that was asked for: what the file that was built says about it."""

from __future__ import annotations

from seatrial.harness.results.fallback.explain import Explanation, Where, explain
from seatrial.harness.results.fallback.rules import UNEXPLAINED
from seatrial.harness.results.fallback.shares import describe_fallback

__all__ = ["UNEXPLAINED", "Explanation", "Where", "describe_fallback", "explain"]
