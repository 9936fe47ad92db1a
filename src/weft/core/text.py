"""Text that came from guests and files, made fit for a terminal or a log."""

from __future__ import annotations


def visible(text: str, *, keep: str = "\t") -> str:
    """The text with control characters as escapes (``\\x1b``), so that nothing in it can steer a terminal.

    ``keep`` is what may stay beside what can be printed: the tab, for a line; with a newline, for a longer text.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()
