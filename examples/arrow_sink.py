"""A sink for streams of Arrow record batches: each stream brings its schema, and the table follows it.

    python examples/arrow_sink.py

1. The schema of the first stream says everything about its table: types, sort key, codec, TTL. The table is made, with
   an aggregate per minute that a materialized view keeps up to date.
2. A stream in the Arrow IPC format is written into it; then one over Arrow Flight, into a server of this example.
3. The schema gains a field, as it happens when the producers get a new release. The next stream evolves the table:
   metadata only, because that is all that the policy lets through.
4. A stream in which a field has another type would need the rows to be rewritten. The policy does not let that through:
   the stream is refused with a sentence, and the table stays as it is.

Needs pyarrow with Flight; ClickHouse is embedded here, and would be a URL elsewhere.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from io import BytesIO

import pyarrow as pa
from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client
from pyarrow import flight, ipc

from aaiclick import Policy, Schema, Table, ensure_schema
from aaiclick.aggregates import Aggregate, GroupKey, rollup
from aaiclick.errors import AaiclickError

FIELDS = [
    pa.field(
        "at",
        pa.timestamp("us", tz="UTC"),
        nullable=False,
        metadata={
            "clickhouse.order_by": "2",
            "clickhouse.codec": "Delta, ZSTD",
            "clickhouse.partition_by": "toYYYYMM(at)",
        },
    ),
    pa.field("device", pa.dictionary(pa.int32(), pa.string()), nullable=False, metadata={"clickhouse.order_by": "1"}),
    pa.field("value", pa.float64(), metadata={"comment": "NULL: the sensor did not answer"}),
    pa.field("tags", pa.map_(pa.string(), pa.string())),
    pa.field(
        "place",
        pa.struct([pa.field("lat", pa.float64(), nullable=False), pa.field("lon", pa.float64(), nullable=False)]),
    ),
]
FIRST = pa.schema(
    FIELDS, metadata={"clickhouse.ttl": "toDateTime(at) + INTERVAL 10 YEAR", "comment": "what sensors say"}
)
SECOND = FIRST.append(pa.field("firmware", pa.string(), nullable=False))
CHANGED = FIRST.set(3, pa.field("tags", pa.map_(pa.string(), pa.int64())))
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def declared(source: pa.Schema, name: str) -> Schema:
    """The schema of a stream as a declaration: the raw table, and an aggregate per minute over it."""
    raw = Table.from_arrow(source, name)
    minute = Aggregate(
        f"{name}_per_minute",
        by={"minute": GroupKey("toStartOfMinute(at)", "DateTime('UTC')"), "device": "device"},
        measures={"readings": "count()", "average": "avg(value)"},
        reader=f"{name}_averages",
    )
    return Schema(name, objects=rollup(raw, minute))


class Sink:
    """Writes streams into tables that follow their schemas, as far as the policy lets them."""

    def __init__(self, client: Client, policy: Policy) -> None:
        self._client, self._policy = client, policy
        # The embedded engine is one; with a server each stream would have a connection of its own.
        self._lock = threading.Lock()

    def take(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Bring the table to the stream's schema, then write its batches; how many rows it were.

        Raises what ``ensure_schema`` raises: nothing of the stream is written then.
        """
        with self._lock:
            report = ensure_schema(self._client, declared(schema, name), policy=self._policy)
            for step in report.steps:
                print(f"  {step.object}: {step.change} ({step.strategy})")
            rows = 0
            for batch in batches:
                self._client.insert_arrow(name, pa.Table.from_batches([batch]))
                rows += batch.num_rows
            return rows


class SinkServer(flight.FlightServerBase):  # type: ignore[misc] # pyarrow has no type information
    """Takes streams over Arrow Flight; the path of a stream is the name of its table."""

    def __init__(self, sink: Sink) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self._sink = sink

    def do_put(
        self,
        context: flight.ServerCallContext,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.FlightMetadataWriter,
    ) -> None:
        """One stream."""
        try:
            self._sink.take(descriptor.path[0].decode(), reader.schema, (chunk.data for chunk in reader))
        except AaiclickError as error:
            raise flight.FlightServerError(str(error)) from error


def readings(schema: pa.Schema, first: int, count: int) -> pa.RecordBatch:
    """Some rows."""
    rows = [
        {
            "at": START + timedelta(seconds=number),
            "device": f"d{number % 3}",
            "value": number / 2,
            "tags": [("room", number % 7 if schema.field("tags").type.item_type == pa.int64() else str(number % 7))],
            "place": {"lat": 52.5, "lon": 13.4},
            "firmware": "2.0",
        }
        for number in range(first, first + count)
    ]
    return pa.RecordBatch.from_pylist([{name: row[name] for name in schema.names} for row in rows], schema=schema)


def ipc_stream(schema: pa.Schema, *batches: pa.RecordBatch) -> BytesIO:
    """A stream in the Arrow IPC format, as it comes from a file, a pipe or a socket."""
    buffer = BytesIO()
    with ipc.new_stream(buffer, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    buffer.seek(0)
    return buffer


def send(address: str, name: str, batch: pa.RecordBatch) -> None:
    """Write a stream over Flight. Raises ``FlightError`` where the sink refuses it."""
    with flight.connect(address) as producer:
        writer, _ = producer.do_put(flight.FlightDescriptor.for_path(name), batch.schema)
        with writer:
            writer.write_batch(batch)


def main() -> None:
    """Play it through."""
    with tempfile.TemporaryDirectory() as folder:
        client = get_client(interface="chdb", path=folder)
        sink = Sink(client, Policy.safe())
        print("an IPC stream:")
        with ipc.open_stream(ipc_stream(FIRST, readings(FIRST, 0, 600), readings(FIRST, 600, 400))) as stream:
            print(f"  {sink.take('readings', stream.schema, stream)} rows")
        with SinkServer(sink) as server:
            address = f"grpc://127.0.0.1:{server.port}"
            print("a Flight stream:")
            send(address, "readings", readings(FIRST, 1000, 500))
            print("a Flight stream whose schema has a field more:")
            send(address, "readings", readings(SECOND, 1500, 500))
            print("a Flight stream of the older producer:")
            send(address, "readings", readings(FIRST, 2000, 500))
            print("a Flight stream in which a field has another type:")
            try:
                send(address, "readings", readings(CHANGED, 2500, 500))
            except flight.FlightError as error:
                print(f"  refused: {str(error).partition('. Detail: ')[0]}")
        for sql in (
            "SELECT count(), countIf(firmware = '2.0'), countIf(firmware = '') FROM readings",
            "SELECT sum(readings), count(), round(avg(average), 1) FROM readings_averages",
        ):
            print(*client.query(sql).result_rows[0])
        client.close()


if __name__ == "__main__":
    main()
