"""Rows of traces as Parquet: typed columns, written and read a row group at a time.

Columns are the fields of `surefoot.traces.rows`, one row per trace. What has no fixed type is JSON
text: `meta` and the `observation` of each step. Counts are structs of `k` and `n`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import IO, Any

from surefoot.errors import RowError, StorageError

_GROUP_ROWS = 2048
_GROUP_CHARACTERS = 8_000_000
_BATCH_ROWS = 256


class ParquetRows:
    """Writes rows to an open binary file; `close` completes it."""

    def __init__(self, file: IO[bytes]) -> None:
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(file, _schema(), compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._characters = 0

    def add(self, row: dict[str, Any]) -> None:
        """Write one row, at the latest when its row group is full."""
        self._rows.append(_to_columns(row))
        self._characters += sum(len(step["text"]) for step in row["steps"]) + len(row["problem"])
        if len(self._rows) >= _GROUP_ROWS or self._characters >= _GROUP_CHARACTERS:
            self._flush()

    def close(self) -> None:
        """Write what is left and the footer."""
        self._flush()
        self._writer.close()

    def discard(self) -> None:
        """Leave the file as it is, without a footer."""
        self._writer.is_open = False

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=_schema()))
        self._rows, self._characters = [], 0


def open_parquet(path: str) -> Iterator[tuple[int, dict[str, Any] | RowError | StorageError]]:
    """The rows of a Parquet file, ours or any other, numbered from 1; bad ones as errors.

    Raises:
        StorageError: at once, if the file is not a whole Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise StorageError(
            f"{path}: it is not a whole Parquet file (cut short, or of another kind): {error}"
        ) from None
    return _read(path, file)


def _read(path: str, file: Any) -> Iterator[tuple[int, dict[str, Any] | RowError | StorageError]]:
    import pyarrow as pa

    ours = "surefoot" in file.schema_arrow.names
    number = 0
    with file:
        batches = file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                yield number + 1, StorageError(f"{path}: damaged after row {number}: {error}")
                return
            if batch is None:
                return
            for row in _rows_of(batch):
                number += 1
                yield number, _from_columns(row) if ours and isinstance(row, dict) else row


def _rows_of(batch: Any) -> list[dict[str, Any] | RowError]:
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError:
        if batch.num_rows == 1:
            return [RowError("broken UTF-8")]
        return [row for i in range(batch.num_rows) for row in _rows_of(batch.slice(i, 1))]


@functools.cache
def _schema() -> Any:
    import pyarrow as pa

    text, numbers = pa.string(), pa.list_(pa.float64())
    count = pa.struct([("k", pa.int64()), ("n", pa.int64())])
    labels = pa.struct(
        [
            ("values", numbers),
            ("source", text),
            ("scale", text),
            ("annotator", text),
            ("counts", pa.list_(count)),
        ]
    )
    scores = pa.struct(
        [
            ("values", numbers),
            ("model", text),
            ("kind", text),
            ("default_aggregate", text),
            ("threshold", pa.float64()),
            ("log_odds", numbers),
        ]
    )
    return pa.schema(
        [
            ("surefoot", pa.int32()),
            ("id", text),
            ("problem", text),
            ("steps", pa.list_(pa.struct([("text", text), ("observation", text)]))),
            ("answer", text),
            ("reference", text),
            ("outcome", pa.bool_()),
            ("source", text),
            ("labels", pa.list_(labels)),
            ("scores", pa.list_(scores)),
            ("meta", text),
        ]
    )


def _to_columns(row: dict[str, Any]) -> dict[str, Any]:
    columns = dict(row)
    columns["steps"] = [
        {"text": step["text"], "observation": _json(step.get("observation"))}
        for step in row["steps"]
    ]
    columns["meta"] = _json(row.get("meta"))
    columns["labels"] = [
        {**labels, "counts": [None if c is None else {"k": c[0], "n": c[1]} for c in counts]}
        if (counts := labels.get("counts")) is not None
        else labels
        for labels in row.get("labels", ())
    ]
    return columns


def _from_columns(columns: dict[str, Any]) -> dict[str, Any] | RowError:
    row = _filled(columns)
    try:
        row["steps"] = [_filled(step) for step in row.get("steps", ())]
        for i, step in enumerate(row["steps"]):
            if "observation" in step:
                step["observation"] = _value(step["observation"], f"steps.{i}.observation")
        if "meta" in row:
            row["meta"] = _value(row["meta"], "meta")
        for name in ("labels", "scores"):
            row[name] = [_filled(one) for one in row.get(name, ())]
    except RowError as error:
        return error
    for labels in row["labels"]:
        if "counts" in labels:
            labels["counts"] = [c and [c["k"], c["n"]] for c in labels["counts"]]
    return row


def _filled(struct: dict[str, Any]) -> dict[str, Any]:
    """The fields that are not null."""
    return {name: value for name, value in struct.items() if value is not None}


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, allow_nan=False)


def _value(text: str, field: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise RowError(f"is not JSON: {error}", field=field) from None
