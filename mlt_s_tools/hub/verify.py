"""Reads a build back, and compares every example with the archives."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow.parquet as pq  # comes with datasets

import mlt_s
from mlt_s_tools.hub.shards import read_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from mlt_s_tools.hub.layout import File
    from mlt_s_tools.hub.plan import Shard


def verify(
    shard: Shard,
    file: File,
    out: str | os.PathLike[str],
    schema: pa.Schema,
    palette: bool,
    options: dict[str, Any],
    step: Callable[[int], object],
) -> None:
    """Compares a Parquet file with its pairs: their number and order, all bytes and words, and the SHA-256 of the file.

    Args:
        shard: the `plan.Shard`.
        file: its `layout.File`, as written.
        out: path of the repository.
        schema: the Arrow schema that it should have.
        palette: whether label maps have a palette.
        options: for the fsspec file system of a remote source.
        step: called with a number of examples after each row group; may raise to stop the work.

    Raises:
        mlt_s.MltSError: they differ (the message names the row group and the example), or a pair can no longer be read.
    """
    path = os.path.join(out, file.path)
    opened = _readable(path, "", lambda: pq.ParquetFile(path))
    with opened:
        _check_schema(opened.schema_arrow, schema, path)
        if opened.metadata.num_rows != len(shard.pairs):
            found, belong = mlt_s.counted(opened.metadata.num_rows, "example"), f"{len(shard.pairs):,}"
            raise _different(path, f"has {found} instead of {belong}")
        expected = read_rows(shard.pairs, palette, options)
        for group in range(opened.num_row_groups):
            place = f", row group {group}"
            rows = _readable(path, place, functools.partial(_rows_of, opened, group))
            for row, belongs in zip(rows, expected):
                _compare(row, belongs, path, place)
            step(len(rows))
    with open(path, "rb") as content:
        if _sha256(content) != file.sha256:
            raise _different(path, f"does not have the SHA-256 that it was written with, {file.sha256}")


def _readable(path: str, place: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (MemoryError, OSError) as error:
        if mlt_s.is_of_machine(error):
            raise
        raise _different(path, f"cannot be read ({error})", place) from error
    except Exception as error:  # pyarrow raises half a dozen types for damaged files
        raise _different(path, f"cannot be read ({error})", place) from error


def _rows_of(opened: pq.ParquetFile, group: int) -> list[dict[str, Any]]:
    return opened.read_row_group(group, use_threads=False).to_pylist()


def _check_schema(found: pa.Schema, schema: pa.Schema, path: str) -> None:
    if not found.equals(schema) or (found.metadata or {}).get(b"huggingface") != schema.metadata[b"huggingface"]:
        raise _different(path, "has other columns than it was written with")


def _compare(row: dict[str, Any], expected: dict[str, Any], path: str, place: str) -> None:
    image_id = expected["image_id"]
    if row["image_id"] != image_id:
        raise _different(path, f"has {row['image_id']!a} instead of {image_id}", place)
    for column, value in row.items():
        if value != expected[column]:
            raise _different(path, f"has another {column} than the archives", f"{place}, {image_id}")


def _different(path: str, what: str, place: str = "") -> mlt_s.MltSError:
    return mlt_s.MltSError(
        f"{path}{place}, {what}. Remove that file and run the same command again, which writes it again. If it still "
        "differs, disk or memory may be failing."
    )


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
