"""Writes a Parquet file, one row group at a time: the examples of a shard, as the loader yields them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # comes with datasets
import pyarrow.parquet as pq  # comes with datasets

import mlt_s
from mlt_s_tools import resuming
from mlt_s_tools.hub.layout import File, features_of, portable
from mlt_s_tools.hub.palette import with_palette
from mlt_s_tools.origin import is_signed

if TYPE_CHECKING:
    from mlt_s_tools.hub.plan import Shard

# This much is in memory at a time, and it is the least that a reader fetches for one row.
ROW_GROUP_ROWS = 100
ROW_GROUP_SIZE = 16_000_000  # bytes of pictures


def schema_of(config: str) -> pa.Schema:
    """The Arrow schema of a configuration's files, with the features where `datasets` looks for them."""
    features = features_of(config)
    info = {"info": {"features": portable(features)}}
    return features.arrow_schema.with_metadata({"huggingface": json.dumps(info)})


def read_rows(
    pairs: Iterable[mlt_s.Pair], palette: bool, options: dict[str, Any]
) -> Generator[dict[str, Any], None, None]:
    """Pairs as rows of the files: `mlt_s.read_examples`, with a palette if wanted.

    Raises:
        mlt_s.MltSError: the pair cannot be read.
    """
    for row in mlt_s.read_examples(pairs, options):
        if palette:
            row["label"]["bytes"] = with_palette(row["label"]["bytes"])
        yield row


def write(
    shard: Shard,
    out: str | os.PathLike[str],
    schema: pa.Schema,
    palette: bool,
    options: dict[str, Any],
    step: Callable[[int], object],
) -> File:
    """Writes the file of a shard, which gets its name only when it is complete.

    Args:
        shard: a `plan.Shard`.
        out: path of the repository.
        schema: its Arrow schema.
        palette: whether label maps get a palette.
        options: for the fsspec file system of a remote source.
        step: called with a number of examples after each row group; may raise to stop the work.

    Returns:
        The `File`.

    Raises:
        mlt_s.MltSError: a pair cannot be read.
        OSError: the file cannot be written.
    """
    path = os.path.join(out, *shard.path.split("/"))
    part = path + resuming.PART
    os.makedirs(os.path.dirname(path), exist_ok=True)
    rows, nbytes, weak = read_rows(shard.pairs, palette, options), 0, 0
    try:
        with contextlib.closing(rows), _Hashed(part) as file, _writer(file, schema) as writer:
            for group in _row_groups(rows):
                table = pa.Table.from_pylist(group, schema)
                writer.write_table(table)
                nbytes += table.nbytes
                weak += sum(is_signed(row["label"]["bytes"]) for row in group)
                step(len(group))
        size = os.path.getsize(part)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(part)
        raise
    return File(shard.path, shard.split, len(shard.pairs), weak, size, nbytes, file.sha256.hexdigest())


class _Hashed(io.BufferedWriter):
    """A file that computes the SHA-256 of what is written to it."""

    def __init__(self, path: str) -> None:
        super().__init__(io.FileIO(path, "w"))
        self.sha256 = hashlib.sha256()

    def write(self, data: Any) -> int:  # collections.abc.Buffer, from Python 3.12 on
        self.sha256.update(data)
        return super().write(data)


def _writer(file: io.BufferedWriter, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        file,
        schema,
        compression="NONE",  # pictures are already compressed, and everything else is one per mille
        use_dictionary=False,
        write_statistics=["image_id"],
        write_page_index=True,
        write_batch_size=1,  # values after which a page may end: Arrow's 1,024 is more than a row group has
    )


def _row_groups(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        added = sum(len(row[column]["bytes"]) for column in ("image", "label") if column in row)
        if group and (len(group) == ROW_GROUP_ROWS or size + added > ROW_GROUP_SIZE):
            yield group
            group, size = [], 0
        group.append(row)
        size += added
    yield group
