"""The seal of a plan in JSON, by which an edited file is known."""

from __future__ import annotations

import hashlib
import json
from typing import cast


def plan_seal(text: str) -> str:
    """A digest of the JSON of a plan without its seal. How the text is laid out does not count."""
    content = cast("dict[str, object]", json.loads(text))
    content.pop("seal", None)
    encoded = json.dumps(_plain(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(encoded.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def without_seal(text: str) -> str:
    """The same without the seal: the text itself where it is no JSON object."""
    try:
        content: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return json.dumps({**cast("dict[str, object]", content), "seal": ""}) if isinstance(content, dict) else text


def _plain(value: object) -> object:
    """Tools that lay JSON out anew write 3.0 as 3."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_plain(each) for each in cast("list[object]", value)]
    return value
