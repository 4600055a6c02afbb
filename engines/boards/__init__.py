"""Boards: machines that are reached over ssh, where engines are built, run and timed."""

from __future__ import annotations

from seatrial.engines.boards.board import Board

__all__ = ["Board"]
