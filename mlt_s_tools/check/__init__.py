"""`mlt-s check`: whether all of MLT and MLT_S is present and undamaged, and what to do about problems.

`inventory` lists the contents of the folder, `pairing` counts and joins them, `pixels` and `ground_truth` read them,
`judgement` tells problems from notes, `report` formats the result. All use the same functions of `mlt_s` as the loader.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import TextIO

import datasets
from tqdm import tqdm  # comes with datasets

import mlt_s
from mlt_s_tools import workers, writing
from mlt_s_tools.check import inventory as inventories
from mlt_s_tools.check import judgement, pairing, pixels
from mlt_s_tools.check.findings import Finding
from mlt_s_tools.check.report import Report, as_json, as_text, terminal_width

COULD_NOT_LOOK = 2
INTERRUPTED = 130  # the exit status that shells give a process ended by SIGINT


def run(
    data_dir: str | os.PathLike[str],
    label_maps: str | list[str] | None = None,
    checksums: bool = False,
    read_pixels: bool = False,
    jobs: int | None = None,
    json_file: str | os.PathLike[str] | None = None,
    text_value: int = 1,
) -> int:
    """Checks a folder, prints the findings, and returns the exit status.

    Args:
        data_dir: a folder of archives, unpacked or not, or an fsspec address, as for the loader.
        label_maps: place of the label maps, as for the loader, if they are not in `data_dir`.
        checksums: whether to compute the MD5 of the archives.
        read_pixels: whether to read every file.
        jobs: number of processes that read; by default the number of cores.
        json_file: path of a JSON report to write.
        text_value: the value of text in the label maps, as for the loader: 1 or 255.

    Returns:
        0 no problems, 1 problems found, 2 the check could not run, 130 interrupted.

    Raises:
        OSError: the JSON file cannot be written, or would replace one that is not known to be from mlt-s.
    """
    writing.check(json_file)
    sources = mlt_s.MltSConfig(label_maps=label_maps).label_sources
    report = Report(mlt_s.absolute_address(data_dir), sources, text_value)
    try:
        _check(report, checksums, read_pixels, jobs or workers.cores())
    except mlt_s.MltSError as error:
        if json_file:
            writing.write_json(json_file, {"status": COULD_NOT_LOOK, "error": str(error)})
        print(f"mlt-s: {error}", file=sys.stderr)
        return COULD_NOT_LOOK
    if json_file:
        writing.write_json(json_file, as_json(report))
    _print(as_text(report, terminal_width(sys.stdout), _is_colored(sys.stdout)))
    return report.status


def _check(report: Report, checksums: bool, read_pixels: bool, jobs: int) -> None:
    try:
        sources = _sources(report)
        inventory = inventories.take(sources, {})
        joined = {
            split: pairing.join(inventory.listing, split, report.text_value, inventory.two_sets)
            for split in mlt_s.PUBLISHED_COUNTS
        }
        if report.data_dir.lower().endswith(".zip") and not any(of.split.pairs for of in joined.values()):
            raise mlt_s.MltSError(
                f"{report.data_dir} is a single archive without any pair: give the folder that holds all archives."
            )
        report.places = list(inventory.places.values())
        report.splits = {name: of.split for name, of in joined.items()}
        for of in joined.values():
            report.add(of.problems, of.notes)
        report.add(*judgement.of_counts(inventory, report.splits))
        report.add(_text_values(report, sources, joined, read_pixels))
        if checksums:
            inventories.add_checksums(inventory, {}, _bar)
    except KeyboardInterrupt:
        report.stop("Interrupted.", INTERRUPTED)
    if report.splits:
        report.add(*judgement.of_inventory(inventory, report.splits))
    if read_pixels and not report.stopped:
        _read(report, list(_works(inventory, joined)), jobs)


def _text_values(
    report: Report, sources: list[inventories.Source], joined: dict[str, pairing.Joined], read_pixels: bool
) -> Iterator[Finding]:
    """Problems with label maps that do not have this value of text, from a look at a few of them.

    If all pixels are read, the rest is found then.
    """
    roots = [source[0] for source in sources if "label" in source[1]]
    origins = dict(zip(roots, report.label_maps))
    for split, of in joined.items():
        pairs = of.pairs + of.singles
        for misread in mlt_s.find_misread(pairs, roots, origins, {}, with_authors=read_pixels):
            if misread.is_text_255 or not read_pixels:
                yield judgement.of_text_value(split, misread, report.text_value)


def _sources(report: Report) -> list[inventories.Source]:
    if os.path.isfile(report.data_dir) and not report.data_dir.lower().endswith(".zip"):
        raise mlt_s.MltSError(f"{report.data_dir} is a file: give the folder of the archives.")
    given = report.label_maps
    if not given:
        return [(report.data_dir, ("image", "label", "words"), "image", ())]
    others = [source for source in given if not mlt_s.is_below(report.data_dir, [source])]
    labels = [(_label_archive(source), ("label",), "label", ()) for source in given]
    return [(report.data_dir, ("image", "words"), "image", others), *labels]


def _label_archive(source: str) -> str:
    """The folder or archive of the label maps of a source, which is downloaded or extracted from a built set if
    necessary.
    """
    if source.startswith(("http://", "https://")):
        return mlt_s.fetch_label_archive(source, str(datasets.config.DOWNLOADED_DATASETS_PATH))
    parquet = [(mlt_s.role_and_split(parts), file) for file, parts in mlt_s.walk(source, {}) if mlt_s.is_parquet(parts)]
    return mlt_s.built_label_archive(parquet, {}) or source


def _works(inventory: inventories.Inventory, joined: dict[str, pairing.Joined]) -> Iterator[pixels.Work]:
    for split, of in joined.items():
        for pair in of.pairs + of.singles:
            yield pixels.Work(split, pair)
        for member in of.rest:
            yield pixels.Work(file=member)
    for member in inventory.others:
        yield pixels.Work(file=member)


def _read(report: Report, works: list[pixels.Work], jobs: int) -> None:
    totals = report.pixels = pixels.Totals(sum(len(work.members()) for work in works))
    looking = pixels.look_at_all(works, min(jobs, max(1, len(works))), {})
    try:
        with contextlib.closing(looking), _bar(totals.files, "file") as progress:
            for inspection in looking:
                totals.add(inspection)
                report.add(inspection.problems, inspection.notes)
                progress.update(inspection.files)
    except KeyboardInterrupt:
        report.stop(f"Interrupted after {totals.looked:,} of {totals.files:,} files.", INTERRUPTED)
    except BrokenProcessPool:
        report.stop(
            f"A process was killed after {totals.looked:,} of {totals.files:,} files, as happens when memory runs out. "
            "Try again with --jobs 1.",
            COULD_NOT_LOOK,
        )
    totals.sort()
    report.sort()
    report.notes = judgement.after_reading(report.problems, report.notes)
    report.add(notes=judgement.of_pixels(totals))


def _bar(total: int, unit: str) -> tqdm:
    tqdm.monitor_interval = 0  # no other thread when processes are forked
    return tqdm(total=total, unit=unit, unit_scale=unit == "B", disable=None, leave=False, dynamic_ncols=True)


def _is_colored(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _print(lines: Iterable[str]) -> None:
    """Prints lines, which are printable apart from their colours."""
    encoding, write = sys.stdout.encoding or "utf-8", getattr(sys.stdout, "write_styled", sys.stdout.write)
    for line in map(mlt_s.without_secrets, lines):
        write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
