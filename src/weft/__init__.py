"""Weft runs sandboxed AI functions on streams of pictures and data."""

__version__ = "0.1.0"
