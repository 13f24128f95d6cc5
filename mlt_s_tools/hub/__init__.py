"""`mlt-s build`: writes the data set as a folder of Parquet files that loads without this project.

`plan` decides which pairs go into which file, `shards` writes a file, `verify` reads it back, `processes` runs both for
several files at a time, and `manifest` records what is done. `layout` describes a finished folder. `card` writes the
files beside the Parquet files, and `push` uploads everything to the Hub.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlt_s
from mlt_s_tools import output
from mlt_s_tools.hub import manifest, plan, processes, shards
from mlt_s_tools.hub import verify as verifying
from mlt_s_tools.hub.layout import Built, File, features_of
from mlt_s_tools.looking.choose import read

if TYPE_CHECKING:
    import pyarrow

_PICTURED = 6  # examples in the picture of the card
_CARD_FILES = ("README.md", "croissant.json", "id2label.json", "preview.png")


def build(
    data_dir: str | os.PathLike[str],
    out: str | os.PathLike[str],
    configs: str | Iterable[str] = ("segmentation",),
    label_maps: str | list[str] | None = None,
    missing_images: str = "error",
    palette: bool = False,
    verify: bool = True,
    jobs: int | None = None,
    push_to: str | None = None,
    private: bool = False,
    text_value: int = 1,
) -> Built:
    """Writes the data set as Parquet files with their card, and prints a summary.

    After an interruption, the same call resumes, and writes the same bytes as an uninterrupted run. A finished folder
    is not written again, only verified.

    Args:
        data_dir: the folder of the archives, or an fsspec address, as for the loader.
        out: the folder to write, outside `data_dir`.
        configs: what to build, of "segmentation", "words" and "labels".
        label_maps: place of the label maps, as for the loader, if they are not in `data_dir`.
        missing_images: as for the loader: "skip" builds the complete pairs, and says how many are left out.
        palette: whether label maps get the published colours as a palette. Pixel values do not change.
        verify: whether to read everything back and compare it with the archives.
        jobs: number of processes that write and read; by default the number of cores.
        push_to: "namespace/name" of a repository on the Hub, to upload the result.
        private: whether to make the repository private.
        text_value: the value of text in the label maps, as for the loader: 1 or 255. The written label maps hold 0, 1
            and 255.

    Returns:
        The `layout.Built`.

    Raises:
        mlt_s.MltSError: something is missing, cannot be read, or does not fit (raised before anything is written, if
            that can be known); what was written differs from the archives; or Jinja2 is not installed.
        OSError: a file cannot be written.
    """
    from mlt_s_tools.hub import card

    card.check()
    planned = plan.make(data_dir, configs, label_maps, missing_images, palette, text_value)
    out = os.path.abspath(os.path.expanduser(out))
    _refuse_inside(out, data_dir)
    for _ in _examples(planned):  # raises now, and not at the end, if a pair cannot be drawn
        pass
    with manifest.held(out):
        whole = manifest.take_up(out, planned)
        _check_space(out, planned, whole)
        if push_to:
            from mlt_s_tools.hub import push

            push.prepare(push_to, private)
        built = _write(out, planned, whole, verify, jobs, push_to)
    _tell(out, built, verify)
    if push_to:
        print(f"On the Hub: {push.upload(Path(out), push_to)}")
    return built


def _refuse_inside(out: str, data_dir: str | os.PathLike[str]) -> None:
    """Refuses a folder inside the source, where the loader would take the picture of the card for an image of MLT."""
    source = mlt_s.absolute_address(data_dir)
    if mlt_s.is_below(out, [source]):
        raise mlt_s.MltSError(f"{out} lies in {source}, where the loader would find its pictures: give another folder.")


def _write(
    out: str, planned: plan.Plan, whole: dict[str, File], verify: bool, jobs: int | None, push_to: str | None
) -> Built:
    try:
        _write_files(out, planned, whole, jobs)
        files = tuple(whole[shard.path] for shard in planned.shards)
        built = Built(
            planned.configs, planned.palette, files, planned.text_value, planned.has_others, planned.is_sample
        )
        if verify:
            _verify_files(out, planned, built, jobs)
        if _needs_card(out, push_to):
            from mlt_s_tools.hub import card

            card.write(Path(out), built, _examples(planned), push_to)
            manifest.finish(out, planned, built)
    except Exception as error:
        if not mlt_s.is_out_of_space(error):
            if isinstance(error, OSError) and error.errno and error.filename is None:
                error.filename = out
            raise
        raise mlt_s.MltSError(
            f"There is no space left in {out}. Free some and run the same command again: finished files are kept."
        ) from error
    return built


def _write_files(out: str, planned: plan.Plan, whole: dict[str, File], jobs: int | None) -> None:
    """Writes the files that are not finished yet, and adds them to `whole`."""
    rest = [shard for shard in planned.shards if shard.path not in whole]
    is_finished = manifest.is_finished(out)  # although files may be missing
    if not is_finished:
        manifest.begin(out, planned, whole.values())
    call = functools.partial(_write_shard, out=out, schemas=_schemas(planned), palette=planned.palette)
    counts = [len(shard.pairs) for shard in rest]
    running = processes.run_all(call, rest, counts, "writing", jobs, planned.is_remote)
    with contextlib.closing(running):  # ends the processes before an error is raised
        for file in running:
            whole[file.path] = file
            if not is_finished:
                manifest.add(out, file)


def _write_shard(
    shard: plan.Shard, step: Callable[[int], object], out: str, schemas: dict[str, pyarrow.Schema], palette: bool
) -> File:
    return shards.write(shard, out, schemas[shard.config], palette, {}, step)


def _verify_files(out: str, planned: plan.Plan, built: Built, jobs: int | None) -> None:
    call = functools.partial(_verify_shard, out=out, schemas=_schemas(planned), palette=planned.palette)
    tasks, counts = list(zip(planned.shards, built.files)), [file.rows for file in built.files]
    with contextlib.closing(processes.run_all(call, tasks, counts, "verifying", jobs, planned.is_remote)) as running:
        for _ in running:
            pass


def _verify_shard(
    task: tuple[plan.Shard, File],
    step: Callable[[int], object],
    out: str,
    schemas: dict[str, pyarrow.Schema],
    palette: bool,
) -> None:
    shard, file = task
    verifying.verify(shard, file, out, schemas[shard.config], palette, {}, step)


def _schemas(planned: plan.Plan) -> dict[str, pyarrow.Schema]:
    return {config: shards.schema_of(config) for config in {shard.config for shard in planned.shards}}


def _needs_card(out: str, push_to: str | None) -> bool:
    """Whether the card must still be written, or must name the repository. A card that the user changed is kept."""
    if not manifest.is_finished(out):
        return True
    if manifest.has_own_card(out):
        return False
    return bool(push_to) or not all(os.path.exists(os.path.join(out, name)) for name in _CARD_FILES)


def _examples(planned: plan.Plan) -> Iterator[tuple[str, dict[str, Any]]]:
    """Titles and decoded examples of the first pairs, for the picture of the card."""
    first = planned.shards[0]
    features = features_of(first.config)
    for pair in itertools.islice(first.pairs, _PICTURED):
        yield f"{first.split}  {pair.image_id}", read(pair, features, {})


def _check_space(out: str, planned: plan.Plan, whole: dict[str, File]) -> None:
    needed = sum(shard.size for shard in planned.shards if shard.path not in whole)
    free = shutil.disk_usage(out).free
    if needed > free:
        raise mlt_s.MltSError(
            f"There is not enough space for {out}: the build needs {output.size(needed)}, and {output.size(free)} are "
            "free. Free some, or give a folder on another disk."
        )


def _tell(out: str, built: Built, verified: bool) -> None:
    files, size = mlt_s.counted(built.files, "Parquet file"), output.size(sum(file.size for file in built.files))
    print(f"{out}: {files}, {size}{', read back and compared with the archives' if verified else ', not verified'}")
    for config in built.configs:
        counts = (f"{split} {built.rows_of(config, split):,}" for split in built.splits_of(config))
        print(f"  {config}: {', '.join(counts)}")
    print(f"It opens without this project: load_dataset({mlt_s.quoted(out)})")
