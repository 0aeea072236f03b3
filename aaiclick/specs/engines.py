"""Table engines. The MergeTree family has classes of its own; any other engine is ``Engine("Name", "arguments")``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer
from typing_extensions import Unpack

from aaiclick.errors import SpecError
from aaiclick.specs.base import Spec
from aaiclick.specs.columns import SettingValue
from aaiclick.sql.quoting import quoted_where_needed

if TYPE_CHECKING:
    from aaiclick.specs.engine_fields import (
        CollapsingFields,
        EngineFields,
        GraphiteFields,
        KeyFields,
        ReplacingFields,
        SummingFields,
        VersionedFields,
    )

Key = str | list[str]


class Engine(Spec):
    """An engine outside the MergeTree family, by its name.

    Some of them take keys: EmbeddedRocksDB and KeeperMap a ``primary_key``, S3 and File a ``partition_by``.
    """

    noun: ClassVar[str] = "engine"
    name: str
    """Name of the engine: ``Kafka``."""
    arguments: str = ""
    """What stands between the engine's parentheses, as SQL; '' for none."""
    settings: dict[str, SettingValue] = Field(default_factory=dict[str, SettingValue])
    """SETTINGS of the table, by name."""
    order_by: Key | None = None
    """ORDER BY; None for none."""
    partition_by: Key | None = None
    """PARTITION BY; None for none."""
    primary_key: Key | None = None
    """PRIMARY KEY; None for none."""

    def __init__(self, name: str, arguments: str = "", **fields: Unpack[EngineFields]) -> None:
        """What each keyword means.

        name: Name of the engine: ``Kafka``.
        arguments: What stands between the engine's parentheses, as SQL; '' for none.
        settings: SETTINGS of the table, by name.
        order_by: ORDER BY; None for none.
        partition_by: PARTITION BY; None for none.
        primary_key: PRIMARY KEY; None for none.
        """
        self._construct(name, {"name": name, **({"arguments": arguments} if arguments else {}), **fields})
        if not name.isidentifier():
            raise SpecError(f"engine {name}", "an engine's name is one word; its arguments come second")

    @property
    def engine_clause(self) -> str:
        """What stands behind ``ENGINE =``."""
        return f"{self.name}({self.arguments})" if self.arguments else self.name


class MergeTree(Spec):
    """The engine ``MergeTree``, and what all engines of its family have in common.

    A key is a list of columns or expressions, or one expression. A key that is left unset is not managed; None says
    that there is none. The sort key of a table has to be said (or its primary key).
    """

    noun: ClassVar[str] = "engine"
    engine_name: ClassVar[str] = "MergeTree"
    order_by: Key = Field(default_factory=list[str])
    """ORDER BY, the sort key; an empty list is ``tuple()``: no sort key."""
    partition_by: Key | None = None
    """PARTITION BY, the partition key."""
    primary_key: Key | None = None
    """PRIMARY KEY, where it differs from the sort key: a prefix of that."""
    sample_by: str | None = None
    """SAMPLE BY, the sampling key."""
    ttl: str | None = None
    """TTL of the table, without the word TTL: ``created_at + INTERVAL 30 DAY``."""
    settings: dict[str, SettingValue] = Field(default_factory=dict[str, SettingValue])
    """SETTINGS of the table, by name; None as a value takes the setting away."""
    replicated: str | None = None
    """Arguments of the Replicated variant of the engine: ``'/path', '{replica}'``, '' for the server's defaults. None:
    the engine is not replicated."""

    def __init__(self, **fields: Unpack[KeyFields]) -> None:
        """What each keyword means.

        order_by: ORDER BY, the sort key; an empty list is ``tuple()``: no sort key.
        partition_by: PARTITION BY, the partition key.
        primary_key: PRIMARY KEY, where it differs from the sort key: a prefix of that.
        sample_by: SAMPLE BY, the sampling key.
        ttl: TTL of the table, without the word TTL: ``created_at + INTERVAL 30 DAY``.
        settings: SETTINGS of the table, by name; None as a value takes the setting away.
        replicated: Arguments of the Replicated variant of the engine: ``'/path', '{replica}'``, '' for the server's
            defaults. None: the engine is not replicated.
        """
        self._build(fields)

    def _build(self, fields: Mapping[str, object]) -> None:
        self._construct(self.engine_name, fields)
        for key in ("order_by", "partition_by", "primary_key"):
            value: Key | None = getattr(self, key)
            if isinstance(value, str) and not value.strip():
                raise SpecError(f"engine {self.engine_name}", f"{key} is an empty expression")
            if isinstance(value, list) and any(not part.strip() for part in value):
                raise SpecError(f"engine {self.engine_name}", f"{key} holds an empty expression")

    @model_serializer(mode="wrap")
    def _with_engine(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """The dump names the engine: two engines with the same keys are not the same declaration."""
        return {"engine": self.engine_name, **handler(self)}

    @property
    def own_arguments(self) -> str:
        """The engine's arguments without those of the Replicated variant."""
        return ""

    @property
    def engine_clause(self) -> str:
        """What stands behind ``ENGINE =``."""
        name = self.engine_name if self.replicated is None else "Replicated" + self.engine_name
        arguments = ", ".join(part for part in (self.replicated, self.own_arguments) if part)
        return f"{name}({arguments})" if arguments else name

    def columns_used(self) -> tuple[tuple[str, str], ...]:
        """Argument and column for every column that the engine's arguments name."""
        return ()


class ReplacingMergeTree(MergeTree):
    """Merges keep the last inserted row of each sort key, or the one with the highest ``version``."""

    engine_name: ClassVar[str] = "ReplacingMergeTree"
    version: str | None = None
    """Column whose highest value wins; None: the last inserted row does."""
    is_deleted: str | None = None
    """Column of UInt8 that is 1 in a row that deletes; None: there is none."""

    def __init__(self, **fields: Unpack[ReplacingFields]) -> None:
        """What each keyword means.

        version: Column whose highest value wins; None: the last inserted row does.
        is_deleted: Column of UInt8 that is 1 in a row that deletes; None: there is none.
        order_by: ORDER BY, the sort key; an empty list is ``tuple()``: no sort key.
        partition_by: PARTITION BY, the partition key.
        primary_key: PRIMARY KEY, where it differs from the sort key: a prefix of that.
        sample_by: SAMPLE BY, the sampling key.
        ttl: TTL of the table, without the word TTL: ``created_at + INTERVAL 30 DAY``.
        settings: SETTINGS of the table, by name; None as a value takes the setting away.
        replicated: Arguments of the Replicated variant of the engine: ``'/path', '{replica}'``, '' for the server's
            defaults. None: the engine is not replicated.
        """
        self._build(fields)
        if self.is_deleted is not None and self.version is None:
            raise SpecError("engine ReplacingMergeTree", "is_deleted needs version")

    @property
    def own_arguments(self) -> str:
        return ", ".join(quoted_where_needed(name) for name in (self.version, self.is_deleted) if name)

    def columns_used(self) -> tuple[tuple[str, str], ...]:
        pairs = (("version", self.version), ("is_deleted", self.is_deleted))
        return tuple((argument, name) for argument, name in pairs if name)


class SummingMergeTree(MergeTree):
    """Merges add up the ``columns`` of rows with the same sort key; all numeric columns where none are named."""

    engine_name: ClassVar[str] = "SummingMergeTree"
    columns: list[str] = Field(default_factory=list[str])
    """Columns that are combined; an empty list: all that can be."""

    def __init__(self, **fields: Unpack[SummingFields]) -> None:
        """What each keyword means.

        columns: Columns that are combined; an empty list: all that can be.
        order_by: ORDER BY, the sort key; an empty list is ``tuple()``: no sort key.
        partition_by: PARTITION BY, the partition key.
        primary_key: PRIMARY KEY, where it differs from the sort key: a prefix of that.
        sample_by: SAMPLE BY, the sampling key.
        ttl: TTL of the table, without the word TTL: ``created_at + INTERVAL 30 DAY``.
        settings: SETTINGS of the table, by name; None as a value takes the setting away.
        replicated: Arguments of the Replicated variant of the engine: ``'/path', '{replica}'``, '' for the server's
            defaults. None: the engine is not replicated.
        """
        self._build(fields)

    @property
    def own_arguments(self) -> str:
        listed = ", ".join(quoted_where_needed(name) for name in self.columns)
        # The server takes one column bare, and several only as a tuple.
        return listed if len(self.columns) < 2 else f"({listed})"

    def columns_used(self) -> tuple[tuple[str, str], ...]:
        return tuple(("columns", name) for name in self.columns)


class CoalescingMergeTree(SummingMergeTree):
    """Merges keep the last value of each column that is not NULL, for each sort key."""

    engine_name: ClassVar[str] = "CoalescingMergeTree"

    def __init__(self, **fields: Unpack[SummingFields]) -> None:
        """What each keyword means.

        columns: Columns that are combined; an empty list: all that can be.
        order_by: ORDER BY, the sort key; an empty list is ``tuple()``: no sort key.
        partition_by: PARTITION BY, the partition key.
        primary_key: PRIMARY KEY, where it differs from the sort key: a prefix of that.
        sample_by: SAMPLE BY, the sampling key.
        ttl: TTL of the table, without the word TTL: ``created_at + INTERVAL 30 DAY``.
        settings: SETTINGS of the table, by name; None as a value takes the setting away.
        replicated: Arguments of the Replicated variant of the engine: ``'/path', '{replica}'``, '' for the server's
            defaults. None: the engine is not replicated.
        """
        self._build(fields)


class AggregatingMergeTree(MergeTree):
    """Merges combine the aggregate states of rows with the same sort key."""

    engine_name: ClassVar[str] = "AggregatingMergeTree"

    def __init__(self, **fields: Unpack[KeyFields]) -> None:
        """What each keyword means.

        order_by: ORDER BY, the sort key; an empty list is ``tuple()``: no sort key.
        partition_by: PARTITION BY, the partition key.
        primary_key: PRIMARY KEY, where it differs from the sort key: a prefix of that.
        sample_by: SAMPLE BY, the sampling key.
        ttl: TTL of the table, without the word TTL: ``created_at + INTERVAL 30 DAY``.
        settings: SETTINGS of the table, by name; None as a value takes the setting away.
        replicated: Arguments of the Replicated variant of the engine: ``'/path', '{replica}'``, '' for the server's
            defaults. None: the engine is not replicated.
        """
        self._build(fields)


class CollapsingMergeTree(MergeTree):
    """Merges remove pairs of rows with ``sign`` 1 and -1."""

    engine_name: ClassVar[str] = "CollapsingMergeTree"
    sign: str
    """Column of Int8: 1 in a row that counts, -1 in one that takes it back."""

    def __init__(self, **fields: Unpack[CollapsingFields]) -> None:
        """What each keyword means.

        sign: Column of Int8: 1 in a row that counts, -1 in one that takes it back.
        order_by: ORDER BY, the sort key; an empty list is ``tuple()``: no sort key.
        partition_by: PARTITION BY, the partition key.
        primary_key: PRIMARY KEY, where it differs from the sort key: a prefix of that.
        sample_by: SAMPLE BY, the sampling key.
        ttl: TTL of the table, without the word TTL: ``created_at + INTERVAL 30 DAY``.
        settings: SETTINGS of the table, by name; None as a value takes the setting away.
        replicated: Arguments of the Replicated variant of the engine: ``'/path', '{replica}'``, '' for the server's
            defaults. None: the engine is not replicated.
        """
        self._build(fields)

    @property
    def own_arguments(self) -> str:
        return quoted_where_needed(self.sign)

    def columns_used(self) -> tuple[tuple[str, str], ...]:
        return (("sign", self.sign),)


class VersionedCollapsingMergeTree(CollapsingMergeTree):
    """As ``CollapsingMergeTree``, where the rows of a pair may be inserted in any order."""

    engine_name: ClassVar[str] = "VersionedCollapsingMergeTree"
    version: str
    """Column that says which row of a pair is the older one."""

    def __init__(self, **fields: Unpack[VersionedFields]) -> None:
        """What each keyword means.

        version: Column that says which row of a pair is the older one.
        sign: Column of Int8: 1 in a row that counts, -1 in one that takes it back.
        order_by: ORDER BY, the sort key; an empty list is ``tuple()``: no sort key.
        partition_by: PARTITION BY, the partition key.
        primary_key: PRIMARY KEY, where it differs from the sort key: a prefix of that.
        sample_by: SAMPLE BY, the sampling key.
        ttl: TTL of the table, without the word TTL: ``created_at + INTERVAL 30 DAY``.
        settings: SETTINGS of the table, by name; None as a value takes the setting away.
        replicated: Arguments of the Replicated variant of the engine: ``'/path', '{replica}'``, '' for the server's
            defaults. None: the engine is not replicated.
        """
        self._build(fields)

    @property
    def own_arguments(self) -> str:
        return f"{quoted_where_needed(self.sign)}, {quoted_where_needed(self.version)}"

    def columns_used(self) -> tuple[tuple[str, str], ...]:
        return (("sign", self.sign), ("version", self.version))


class GraphiteMergeTree(MergeTree):
    """Merges thin out Graphite metrics; ``config`` names the section of the server's configuration that says how."""

    engine_name: ClassVar[str] = "GraphiteMergeTree"
    config: str
    """Name of the section in the server's configuration."""

    def __init__(self, **fields: Unpack[GraphiteFields]) -> None:
        """What each keyword means.

        config: Name of the section in the server's configuration.
        order_by: ORDER BY, the sort key; an empty list is ``tuple()``: no sort key.
        partition_by: PARTITION BY, the partition key.
        primary_key: PRIMARY KEY, where it differs from the sort key: a prefix of that.
        sample_by: SAMPLE BY, the sampling key.
        ttl: TTL of the table, without the word TTL: ``created_at + INTERVAL 30 DAY``.
        settings: SETTINGS of the table, by name; None as a value takes the setting away.
        replicated: Arguments of the Replicated variant of the engine: ``'/path', '{replica}'``, '' for the server's
            defaults. None: the engine is not replicated.
        """
        self._build(fields)

    @property
    def own_arguments(self) -> str:
        return "'" + self.config.replace("\\", "\\\\").replace("'", "\\'") + "'"


AnyEngine = (
    VersionedCollapsingMergeTree
    | CollapsingMergeTree
    | ReplacingMergeTree
    | CoalescingMergeTree
    | SummingMergeTree
    | GraphiteMergeTree
    | AggregatingMergeTree
    | MergeTree
    | Engine
)
