"""The engine calls its codes what we call them."""

from __future__ import annotations

from aaiclick import error_codes
from aaiclick.testing.engine import EmbeddedEngine


def test_codes_have_the_names_of_the_engine(aaiclick_engine: EmbeddedEngine) -> None:
    ours = {name: code for name, code in vars(error_codes).items() if isinstance(code, int)}
    listed = ", ".join(str(code) for code in ours.values())
    answer = aaiclick_engine.command(f"SELECT arrayJoin([{listed}]) AS code, errorCodeToName(code)")
    pairs = [line.split("\t") for line in answer.splitlines()]
    theirs = {name: code for code, name in pairs}
    assert theirs == {name: str(code) for name, code in ours.items()}
