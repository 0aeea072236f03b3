"""Tables outside the MergeTree family: a declaration, and the same with other arguments.

``MADE`` can be created by the engine under test without any effect elsewhere; ``TOLD`` cannot (no broker, no cluster,
no keeper): there the server's text of such a table stands for the live one.
"""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick import Column, Engine, Table

COLUMNS = [Column("a", "UInt64"), Column("b", "String")]
SECRET = "Geheim0815"


@dataclass(frozen=True)
class Other:
    """``live``: the server's text behind ``ENGINE =`` for ``engine`` ('' where the engine under test makes it
    itself)."""

    engine: Engine
    changed: Engine
    live: str = ""

    @property
    def name(self) -> str:
        return self.engine.name

    def table(self, changed: bool = False, comment: str | None = None, more: bool = False) -> Table:
        columns = [*COLUMNS, Column("c", "Date")] if more else COLUMNS
        return Table("t", columns, engine=self.changed if changed else self.engine, comment=comment)


MADE = (
    Other(Engine("Log"), Engine("TinyLog")),
    Other(Engine("TinyLog"), Engine("StripeLog")),
    Other(Engine("StripeLog"), Engine("Log")),
    Other(Engine("Memory"), Engine("Memory", settings={"max_rows_to_keep": 10})),
    Other(Engine("Null"), Engine("Memory")),
    Other(Engine("Set"), Engine("Set", settings={"persistent": 0})),
    Other(Engine("Join", "ANY, LEFT, a"), Engine("Join", "ALL, LEFT, a")),
    Other(Engine("Merge", "'db', '^x'"), Engine("Merge", "'db', '^y'")),
    Other(
        Engine("Buffer", "'db', 'x', 1, 10, 100, 10, 100, 1000, 10000"),
        Engine("Buffer", "'db', 'x', 2, 10, 100, 10, 100, 1000, 10000"),
    ),
    Other(Engine("EmbeddedRocksDB", primary_key=["a"]), Engine("EmbeddedRocksDB", primary_key=["b"])),
    Other(Engine("File", "CSV"), Engine("File", "TSV")),
    Other(Engine("GenerateRandom", "1, 2, 3"), Engine("GenerateRandom", "1, 2, 4")),
    Other(
        Engine("PostgreSQL", f"'h:1', 'db', 't', 'u', '{SECRET}'"),
        Engine("PostgreSQL", f"'h:2', 'db', 't', 'u', '{SECRET}'"),
    ),
    Other(
        Engine("MySQL", f"'h:1', 'db', 't', 'u', '{SECRET}'"), Engine("MySQL", f"'h:1', 'db', 'other', 'u', '{SECRET}'")
    ),
    Other(
        Engine("MongoDB", f"'h:1', 'db', 't', 'u', '{SECRET}'"),
        Engine("MongoDB", f"'h:1', 'db', 'other', 'u', '{SECRET}'"),
    ),
    Other(
        Engine("Redis", f"'h:1', 0, '{SECRET}'", primary_key="a"),
        Engine("Redis", f"'h:1', 1, '{SECRET}'", primary_key="a"),
    ),
    Other(Engine("URL", f"'http://u:{SECRET}@h/x.csv', 'CSV'"), Engine("URL", f"'http://u:{SECRET}@h/y.csv', 'CSV'")),
    Other(
        Engine("S3", f"'https://bucket.s3.amazonaws.com/x.csv', 'KEY', '{SECRET}', 'CSV'"),
        Engine("S3", f"'https://bucket.s3.amazonaws.com/y.csv', 'KEY', '{SECRET}', 'CSV'"),
    ),
)
TOLD = (
    Other(
        Engine(
            "Kafka",
            settings={
                "kafka_broker_list": "h:1",
                "kafka_topic_list": "t",
                "kafka_group_name": "g",
                "kafka_format": "CSV",
                "kafka_sasl_password": SECRET,
            },
        ),
        Engine(
            "Kafka",
            settings={
                "kafka_broker_list": "h:1",
                "kafka_topic_list": "u",
                "kafka_group_name": "g",
                "kafka_format": "CSV",
                "kafka_sasl_password": SECRET,
            },
        ),
        "Kafka SETTINGS kafka_broker_list = 'h:1', kafka_topic_list = 't', kafka_group_name = 'g', kafka_format = "
        "'CSV', kafka_sasl_password = '[HIDDEN]'",
    ),
    Other(
        Engine(
            "S3Queue", f"'https://bucket.s3.amazonaws.com/*', 'KEY', '{SECRET}', 'CSV'", settings={"mode": "unordered"}
        ),
        Engine(
            "S3Queue", f"'https://bucket.s3.amazonaws.com/*', 'KEY', '{SECRET}', 'CSV'", settings={"mode": "ordered"}
        ),
        "S3Queue('https://bucket.s3.amazonaws.com/*', 'KEY', '[HIDDEN]', 'CSV') SETTINGS mode = 'unordered'",
    ),
    Other(
        Engine(
            "RabbitMQ",
            settings={
                "rabbitmq_host_port": "h:1",
                "rabbitmq_exchange_name": "e",
                "rabbitmq_format": "CSV",
                "rabbitmq_password": SECRET,
            },
        ),
        Engine(
            "RabbitMQ",
            settings={
                "rabbitmq_host_port": "h:1",
                "rabbitmq_exchange_name": "f",
                "rabbitmq_format": "CSV",
                "rabbitmq_password": SECRET,
            },
        ),
        "RabbitMQ SETTINGS rabbitmq_host_port = 'h:1', rabbitmq_exchange_name = 'e', rabbitmq_format = 'CSV', "
        "rabbitmq_password = '[HIDDEN]'",
    ),
    Other(
        Engine(
            "NATS", settings={"nats_url": "h:1", "nats_subjects": "s", "nats_format": "CSV", "nats_password": SECRET}
        ),
        Engine(
            "NATS", settings={"nats_url": "h:1", "nats_subjects": "r", "nats_format": "CSV", "nats_password": SECRET}
        ),
        "NATS SETTINGS nats_url = 'h:1', nats_subjects = 's', nats_format = 'CSV', nats_password = '[HIDDEN]'",
    ),
    Other(
        Engine("Distributed", "'main', 'db', 'x', cityHash64(a)"),
        Engine("Distributed", "'main', 'db', 'x', rand()"),
        "Distributed('main', 'db', 'x', cityHash64(a))",
    ),
    Other(
        Engine("KeeperMap", "'/path'", primary_key="a"),
        Engine("KeeperMap", "'/other'", primary_key="a"),
        "KeeperMap('/path') PRIMARY KEY a",
    ),
)
