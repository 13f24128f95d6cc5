"""The state of a build in its folder: manifest.json, and until that is written, a record of the finished files.

They let an interrupted build resume, and keep a finished build from being written again. Neither holds a date, a path
or the name of a machine: the same archives give the same bytes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import typing
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow  # comes with datasets

import mlt_s
from mlt_s_tools import records, resuming
from mlt_s_tools.hub.layout import File

if TYPE_CHECKING:
    from mlt_s_tools.hub.layout import Built
    from mlt_s_tools.hub.plan import Plan

MANIFEST = "manifest.json"
RECORD = ".mlt-s-build.jsonl"  # first line: the identity of the build; then one line per finished file
LOCK = ".mlt-s-build.lock"
CARD = "README.md"

_FORMAT = 2  # raise it when the same archives give other files
_FILE: dict[str, Any] = typing.get_type_hints(File)
_IDENTITY: dict[str, Any] = {
    "format": int,
    "configs": [str],
    "palette": bool,
    "text_value?": int,
    "source": str,
    "code": str,
    "pyarrow": str,
}
SHAPES: dict[str, records.Shape] = {
    MANIFEST: {**_IDENTITY, "card": str, "files": [_FILE]},
    RECORD: {**_IDENTITY, "files": [_FILE]},
}
# How the build in a folder can differ from the one asked for, most important first: in its content, and in the program
# that wrote it, which does not matter if the build is finished.
_OTHER_CONTENT = {
    "format": "by another version of mlt-s",
    "configs": "of {there}",
    "palette": "where label maps have a palette, or have none, unlike here",
    "text_value": "of label maps in which text was {there}, and not {here}",
    "source": "of other archives",
}
_OTHER_VERSIONS = {
    "code": "by another version of mlt_s.py",
    "pyarrow": "by pyarrow {there}, which writes other bytes than the {here} here",
}

_DEFAULTS: dict[str, Any] = {"text_value": 1}  # values that builds of earlier versions do not record


@contextlib.contextmanager
def held(out: str) -> Iterator[None]:
    """Makes the folder, and keeps other builds out of it. Removes it if it stays empty.

    Raises:
        mlt_s.MltSError: it is a file, or another build is writing to it.
        OSError: it cannot be made.
    """
    if os.path.exists(out) and not os.path.isdir(out):
        raise mlt_s.MltSError(f"{out} is a file: give a folder.")
    is_new = not os.path.exists(out)
    busy = f"Another mlt-s build is writing to {out}: wait for it, or give another folder."
    try:
        with resuming.alone(out, LOCK, busy) as lock:
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    os.remove(lock.lock_file)
    finally:
        if is_new:
            with contextlib.suppress(OSError):
                os.rmdir(out)


def take_up(out: str, plan: Plan) -> dict[str, File]:
    """The files that an earlier run of this build finished, by path. Removes incomplete files.

    Raises:
        mlt_s.MltSError: the folder holds something else, or another build.
    """
    earlier, files, reason = _earlier(out)
    if earlier is None:
        if strange := sorted(set(os.listdir(out)) - {LOCK, RECORD, RECORD + resuming.PART}):
            raise mlt_s.MltSError(
                f"{out} is not empty, and not a build of mlt-s: it holds {mlt_s.first_few(strange)}.{reason} "
                "Give a new folder."
            )
        return {}
    paths = {shard.path for shard in plan.shards}
    whole = {file.path: file for file in files if file.path in paths and _is_whole(out, file)}
    earlier, here = {**_DEFAULTS, **earlier}, _identity(plan)
    other = resuming.difference(earlier, here, _OTHER_CONTENT)
    missing = sorted(paths - set(whole)) if is_finished(out) else []
    if not other and (missing or not is_finished(out)):
        other = resuming.difference(earlier, here, _OTHER_VERSIONS)
        other += f", and lacks {mlt_s.first_few(missing)}" if other and missing else ""
    if other:
        raise mlt_s.MltSError(f"{out} holds another build, {other}. Give another folder, or remove this one.")
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(out, path) + resuming.PART)
    return whole


def is_finished(out: str) -> bool:
    return os.path.exists(os.path.join(out, MANIFEST))


def begin(out: str, plan: Plan, whole: Iterable[File]) -> None:
    """Starts the record of a build with the files that are finished."""
    resuming.begin_journal(os.path.join(out, RECORD), _identity(plan), map(dataclasses.asdict, whole))


def add(out: str, file: File) -> None:
    """Adds a finished file to the record."""
    resuming.add_to_journal(os.path.join(out, RECORD), dataclasses.asdict(file))


def finish(out: str, plan: Plan, built: Built) -> None:
    """Writes manifest.json, which marks the build as finished, and removes the record.

    If the build was finished before, only the card is new: the manifest keeps the program that wrote the files.
    """
    earlier = _earlier(out)[0] or {}
    versions = {key: earlier[key] for key in _OTHER_VERSIONS if key in earlier}
    examples = {
        config: {split: built.rows_of(config, split) for split in built.splits_of(config)} for config in built.configs
    }
    weak = {config: {split: built.weak_of(config, split) for split in of} for config, of in examples.items()}
    files = [dataclasses.asdict(file) for file in built.files]
    identity = {**_identity(plan), **versions}
    manifest = {**identity, "examples": examples, "weak": weak, "card": _sha256_of_card(out), "files": files}
    resuming.write(os.path.join(out, MANIFEST), (json.dumps(manifest, indent=1) + "\n").encode("ascii"))
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(out, RECORD))


def has_own_card(out: str) -> bool:
    """Whether the user changed the card of a finished build."""
    if not os.path.exists(os.path.join(out, CARD)):
        return False
    return records.read(os.path.join(out, MANIFEST), SHAPES[MANIFEST])["card"] != _sha256_of_card(out)


def _sha256_of_card(out: str) -> str:
    with open(os.path.join(out, CARD), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _identity(plan: Plan) -> dict[str, Any]:
    """Everything that determines the bytes of a build."""
    return {
        "format": _FORMAT,
        "configs": list(plan.configs),
        "palette": plan.palette,
        "text_value": plan.text_value,
        "source": plan.source,
        "code": mlt_s.SOURCE_HASH,
        "pyarrow": pyarrow.__version__,
    }


def _earlier(out: str) -> tuple[dict[str, Any] | None, list[File], str]:
    """The identity and the files of the build in a folder, and a reason if it is damaged or from another program.

    Without a build, identity is None and there are no files.
    """
    name = MANIFEST if is_finished(out) else RECORD
    try:
        earlier = (_finished if name == MANIFEST else _recorded)(os.path.join(out, name))
        if earlier is None or earlier["format"] != _FORMAT:
            return earlier, [], ""
        records.check(earlier, SHAPES[name])
    except FileNotFoundError:
        return None, [], ""
    except ValueError as error:
        return None, [], f" {name} is not a record of a build: {error}."
    return earlier, [File(**{key: of[key] for key in _FILE}) for of in earlier["files"]], ""


def _finished(path: str) -> dict[str, Any]:
    return records.read(path, {"format": int})


def _recorded(path: str) -> dict[str, Any] | None:
    """A record in the same form as `_finished` returns a manifest; None if nothing is written yet."""
    first, *rest = [*records.lines(path)] or [b""]  # the incomplete line of a killed build counts as no file
    if not first:
        return None
    return {**records.parsed(first, {"format": int}), "files": [records.parsed(line, object) for line in rest]}


def _is_whole(out: str, file: File) -> bool:
    path = os.path.join(out, file.path)
    return os.path.isfile(path) and os.path.getsize(path) == file.size
