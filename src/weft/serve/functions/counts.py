"""What is counted of a served function."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Requests by what became of them. Changed by the event loop's thread only.

    Attributes:
        succeeded: answered with what the function emitted.
        failed: the function failed on them.
        refused: the queue was full.
        overdue: they took longer than they may, waiting or running.
        gone: their clients went away before.
        emitted: frames that were answered.
    """

    succeeded: int = 0
    failed: int = 0
    refused: int = 0
    overdue: int = 0
    gone: int = 0
    emitted: int = 0
