"""Where two texts part, for people: the words that differ, with a few around them. Pure."""

from __future__ import annotations

AROUND = 3
"""Words that stay in front of a difference and behind it."""


def differing_words(before: str, now: str) -> tuple[str, str]:
    """Both texts from where they part to where they meet again; ``...`` where words that are the same are left out."""
    old, new = before.split(), now.split()
    shorter = min(len(old), len(new))
    head = next((place for place in range(shorter) if old[place] != new[place]), shorter)
    tail = next((place for place in range(shorter - head) if old[-1 - place] != new[-1 - place]), shorter - head)
    return _cut(old, head, tail), _cut(new, head, tail)


def _cut(words: list[str], head: int, tail: int) -> str:
    # What would save one word or two is not left out.
    first = head - AROUND if head > AROUND + 2 else 0
    last = len(words) - tail + AROUND if tail > AROUND + 2 else len(words)
    return " ".join((*("...",) * (first > 0), *words[first:last], *("...",) * (last < len(words))))
