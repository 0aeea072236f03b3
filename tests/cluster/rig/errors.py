"""What can go wrong with a cluster, as a test wants to tell it apart."""

from __future__ import annotations


class RefusedError(Exception):
    """The host answered with an error: its code and its text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text[:500]}")
        self.code = code
        self.text = text


class AwayError(Exception):
    """There was no answer: the host is not there, stands still, or the answer broke off."""


class NoClusterError(Exception):
    """No such cluster can be had here; the text is a sentence for a skipped test."""
