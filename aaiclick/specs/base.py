"""The base of every declaration: frozen, strict about fields, errors in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError


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
            from aaiclick.specs.mistakes import spec_error

            raise spec_error(type(self), self.noun, label, error, fields) from None
