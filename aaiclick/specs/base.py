"""The base of every declaration: frozen, strict about fields, errors in one sentence."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import Self

MAX_VERSION = 2**32 - 1
"""The highest version of a schema: the records keep versions as UInt32, and a higher one would become another."""


class Spec(BaseModel):
    """A frozen pydantic model that remembers which fields were set.

    An aspect that a declaration leaves unset is not managed; ``declares`` tells the two apart.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)
    noun: ClassVar[str] = "declaration"
    """What errors and notes call it: ``table``, ``named collection``."""

    def __new__(cls, *given: object, **_: object) -> Self:
        """Raises ``SpecError`` for more arguments without a keyword than there are such."""
        if given:
            code = cls.__init__.__code__
            if len(given) >= code.co_argcount and not code.co_flags & inspect.CO_VARARGS:
                from aaiclick.specs.mistakes import too_many

                raise too_many(cls, cls.noun, code.co_varnames[1 : code.co_argcount], given)
        return super().__new__(cls)

    def declares(self, field: str) -> bool:
        """True where the field was given, even as None or empty: only then it is managed."""
        return field in self.model_fields_set

    def _construct(self, label: object, fields: Mapping[str, object]) -> None:
        """Validate and fill the model; the first problem becomes a ``SpecError`` about the object called ``label``."""
        for field, value in fields.items():
            if isinstance(value, str) and not value.isascii():
                try:
                    value.encode()
                except UnicodeEncodeError as error:
                    from aaiclick.specs.mistakes import no_utf8

                    raise no_utf8(self.noun, label, field, error) from None
        try:
            super().__init__(**fields)
        except ValidationError as error:
            from aaiclick.specs.mistakes import spec_error

            raise spec_error(type(self), self.noun, label, error, fields) from None
