"""What a camera's life has come to, in numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class CameraCounters:
    """Over all connections to one camera. One thread writes, any may read.

    Attributes:
        connects: how often a decoder was started.
        reconnects: how often the camera came to life again.
        stalls: how often it went silent, or never showed a picture, and its decoder was killed.
        failures: how often it was lost or could not be reached, stalls and crashes included.
        crashes: decoders that died without a word.
        dropped: pictures given up because newer ones came before they were wanted.
        damaged: packets that did not decode, and were skipped.
    """

    connects: int = 0
    reconnects: int = 0
    stalls: int = 0
    failures: int = 0
    crashes: int = 0
    dropped: int = 0
    damaged: int = 0
