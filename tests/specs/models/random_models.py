"""Models with a default for each field, of every kind that a column can hold."""

from __future__ import annotations

import enum
import ipaddress
import math
import random
import struct
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, create_model

ZONES = (timezone.utc, ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York"), timezone(timedelta(hours=-3, minutes=30)))
LETTERS = "aZ 0'\"\\`,.{}[]()\t\n\r\0\b%é€😀-;/*\x1b"


class Small(enum.IntEnum):
    low = -1
    high = 200


class Wide(enum.IntEnum):
    near = 1
    far = 100_000


class Huge(enum.Enum):
    one = 2**64 - 1
    none = 0


class Share(float, enum.Enum):
    half = 0.5
    third = 1 / 3


class Colour(str, enum.Enum):
    red = "it's red"
    blue = "b\\ue"


class Rights(enum.IntFlag):
    read = 1
    write = 2


class Yes(enum.Enum):
    yes = True
    no = False


class Place(BaseModel):
    x: float
    label: str | None
    day: date = date(2020, 1, 1)


class Stamp(datetime):
    """As pendulum and pandas have one."""


class Text(str):
    """As markupsafe has one."""

    __slots__ = ()


Chance = random.Random
Kind = tuple[Any, Callable[[Chance], Any]]
"""A field's type, and what makes a value of it."""


def text(chance: Chance) -> str:
    return "".join(chance.choice(LETTERS) for _ in range(chance.randrange(9)))


def moment(chance: Chance) -> datetime:
    found = datetime(1901, 1, 1, tzinfo=timezone.utc) + timedelta(
        days=chance.randrange(145_000), seconds=chance.randrange(86400), microseconds=chance.randrange(10**6)
    )
    return found.astimezone(chance.choice(ZONES))


def whole(chance: Chance) -> Kind:
    width = chance.choice((8, 16, 32, 64, 128, 256))
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if chance.random() < 0.5 else (0, 2**width - 1)
    return Annotated[int, Field(ge=low, le=high)], lambda own: own.choice(
        (0, 1, low, high, own.randint(low, high), max(low, own.randint(-(2**70), 2**70) % high))
    )


def decimal(chance: Chance) -> Kind:
    digits = chance.choice((5, 9, 18, 38, 76))
    scale = chance.randrange(digits + 1)

    def make(own: Chance) -> Decimal:
        some = own.randrange(10 ** own.randint(1, digits))
        ticks = own.choice((0, 1, 29, 10**scale, 10**digits - 1, some, some)) % 10**digits
        return Decimal((own.randrange(2), tuple(map(int, str(ticks))), -scale))

    return Annotated[Decimal, Field(max_digits=digits, decimal_places=scale)], make


def floating(chance: Chance) -> float:
    made: float = struct.unpack("d", chance.getrandbits(64).to_bytes(8, "little"))[0]
    return chance.choice((made, made, 0.1, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1e22, round(made % 100, 2)))


def members(chance: Chance) -> Kind:
    found: type[enum.Enum] = chance.choice((Small, Wide, Huge, Share, Colour, Yes))
    return found, lambda own: own.choice(list(found))


SCALARS: tuple[Callable[[Chance], Kind], ...] = (
    whole,
    whole,
    decimal,
    decimal,
    members,
    lambda _: (float, floating),
    lambda _: (str, text),
    lambda _: (Text, lambda own: Text(text(own))),
    lambda _: (bytes, lambda own: own.choice((own.randbytes(5), b"plain", b"", b"a\0"))),
    lambda _: (bool, lambda own: own.random() < 0.5),
    lambda _: (date, lambda own: moment(own).date()),
    lambda _: (datetime, moment),
    lambda _: (Stamp, lambda own: Stamp(2026, 1, 2, 3, 4, 5, 6, tzinfo=own.choice(ZONES))),
    lambda _: (datetime, lambda own: moment(own).replace(tzinfo=None)),
    lambda _: (time, lambda own: moment(own).time()),
    lambda _: (uuid.UUID, lambda own: uuid.UUID(int=own.getrandbits(128))),
    lambda _: (ipaddress.IPv4Address, lambda own: ipaddress.IPv4Address(own.getrandbits(32))),
    lambda _: (ipaddress.IPv6Address, lambda own: ipaddress.IPv6Address(own.getrandbits(own.choice((32, 128))))),
    lambda _: (Rights, lambda own: Rights(own.randrange(4))),
    lambda _: (Literal["GET", "it's"], lambda own: own.choice(("GET", "it's"))),
)


def a_kind(chance: Chance, depth: int = 2) -> Kind:
    """Any type, with lists, maps and tuples in each other up to ``depth``."""
    chosen = chance.randrange(12) if depth else 12
    if chosen == 0:
        item, make = a_kind(chance, depth - 1)
        return list[item], lambda own: [make(own) for _ in range(own.randrange(4))]  # type: ignore[valid-type]
    if chosen == 1:
        item, make = a_kind(chance, depth - 1)
        return dict[str, item], lambda own: {  # type: ignore[valid-type]
            f"{text(own)}{place}": make(own) for place in range(own.randrange(3))
        }
    if chosen == 2:
        parts = [a_kind(chance, depth - 1) for _ in range(chance.randint(1, 3))]
        items = tuple(item for item, _ in parts)
        return tuple[items], lambda own: tuple(make(own) for _, make in parts)  # type: ignore[valid-type]
    if chosen == 3:
        return Place, lambda own: Place(x=floating(own), label=own.choice((None, text(own))), day=moment(own).date())
    if chosen in (4, 5):
        item, make = chance.choice(SCALARS)(chance)
        return item | None, lambda own: own.choice((None, make(own), make(own)))
    if chosen == 6:
        return int | str | bool | date | None, lambda own: own.choice(
            (None, 7, -(2**62), text(own), True, date(2026, 1, 2))
        )
    return chance.choice(SCALARS)(chance)


def a_model(name: str, chance: Chance, fields: int) -> type[BaseModel]:
    """So many fields of any type, each with a default."""
    columns: dict[str, Any] = {"k": (int, 0)}
    for place in range(fields):
        kind, make = a_kind(chance)
        columns[f"f{place}"] = (kind, make(chance))
    return create_model(name, __config__=ConfigDict(arbitrary_types_allowed=True), **columns)
