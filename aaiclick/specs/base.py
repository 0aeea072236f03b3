"""The base of every declaration: frozen, strict about fields, errors in one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from aaiclick.errors import SpecError


class Spec(BaseModel):
    """A frozen pydantic model that remembers which fields were set.

    An aspect that a declaration leaves unset is not managed; ``declares`` tells the two apart.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)
    noun: ClassVar[str] = "declaration"

    def declares(self, field: str) -> bool:
        """True where the field was given, even as None or empty: only then it is managed."""
        return field in self.model_fields_set

    def _construct(self, label: object, fields: Mapping[str, object]) -> None:
        """Validate and fill the model; the first problem becomes a ``SpecError`` about the object called ``label``."""
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise spec_error(type(self), label, error) from None


def spec_error(model: type[Spec], name: object, error: ValidationError) -> SpecError:
    """The first problem that pydantic found, with the path that a reader of the declaration would use."""
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    path = ": ".join([f"{model.noun} {name}" if name else model.noun, *([".".join(where)] if where else [])])
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, SpecError):
        return cause
    if first["type"] == "extra_forbidden":
        known = list(model.model_fields)
        near = difflib.get_close_matches(where[-1], known, n=1)
        hint = f", did you mean {near[0]}?" if near else f"; known fields: {', '.join(known)}"
        return SpecError(f"{model.noun} {name}" if name else model.noun, f"unknown field {where[-1]}{hint}")
    problem = first["msg"].removeprefix("Value error, ")
    given = first.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    return SpecError(path, problem[:1].lower() + problem[1:] + shown)
