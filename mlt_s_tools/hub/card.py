"""Writes the files beside the Parquet files: the card (README.md), Croissant metadata, the class names, a picture.

`huggingface_hub.DatasetCard.from_template` fills card.md, a Jinja2 template with the sections of the Hub's own
template. The Hub's template itself is not used, because another version of it would change the bytes: nothing in a card
depends on the date, the machine, or the version of a library.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # comes with datasets
from datasets import DatasetInfo, Features
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCard, DatasetCardData

import mlt_s
from mlt_s_tools.extras import needed
from mlt_s_tools.hub import croissant
from mlt_s_tools.hub.layout import FOLDERS, Built, features_of, widest
from mlt_s_tools.looking.preview import contact_sheet, label_sheet
from mlt_s_tools.output import size
from mlt_s_tools.writing import whole, write_json, write_picture

LANGUAGES = ("ar", "bn", "de", "en", "fr", "it", "ja", "ko", "zh")
TAGS = ("scene-text", "text-segmentation", "icdar-2017-mlt")
PLACEHOLDER = "namespace/name"
COLOR_NAMES = {"background": "black", "text": "red", "uncertain": "yellow"}

_TEMPLATE = Path(__file__).with_name("card.md")
_TEMPLATE_OF_SAMPLE = Path(__file__).with_name("sample_card.md")


def check() -> None:
    """Checks that a card can be made.

    Raises:
        mlt_s.MltSError: Jinja2, which `huggingface_hub` needs for cards, is not installed.
    """
    with needed("The card of a build", "build"):
        import jinja2  # noqa: F401


def write(out: Path, built: Built, examples: Iterable[tuple[str, Mapping[str, Any]]], repo: str | None = None) -> None:
    """Writes README.md, croissant.json, id2label.json and preview.png.

    Args:
        out: the folder of the repository, a `pathlib.Path`, with its Parquet files.
        built: the `layout.Built` that it holds.
        examples: pairs of a title and an example for the picture, as for `preview.contact_sheet`; for a repository of
            label maps alone, examples without image.
        repo: "namespace/name" on the Hub, for the calls in the card. By default a placeholder that the card explains,
            so that the card is right wherever the user uploads it.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: there are no examples.
    """
    card = made(built, _metadata(out, built), repo)
    with whole(out / "README.md") as file:  # as bytes, because Windows would change line ends
        file.write(f"{card}\n".encode())
    names = {str(value): name for value, name in mlt_s.LABEL_MAP.id2label.items()}
    write_json(out / "id2label.json", names)
    write_json(out / croissant.NAME, croissant.metadata(built, LANGUAGES, _tags(built)))
    sheet = contact_sheet if built.has_images else label_sheet
    write_picture(out / "preview.png", sheet(examples))


# --- The front matter ----------------------------------------------------------------------------------------------


def _metadata(out: Path, built: Built) -> DatasetCardData:
    data = DatasetCardData(
        pretty_name="Bundled sample of mlt_s" if built.is_sample else "MLT_S",
        license=built.license,
        task_categories=["image-segmentation"],
        task_ids=["semantic-segmentation"],
        language=list(LANGUAGES),
        multilinguality=["multilingual"],
        size_categories=[size_category(max(_rows(built, config) for config in built.configs))],
        annotations_creators=["machine-generated"] if built.is_by_authors else None,
        source_datasets=["original" if built.is_sample else "extended"],
        tags=_tags(built),
        configs=[_config(built, config) for config in built.configs],
    )
    DatasetInfosDict({config: _info(out, built, config) for config in built.configs}).to_dataset_card_data(data)
    return data


def _tags(built: Built) -> list[str]:
    return [tag for tag in TAGS if not (built.is_sample and "mlt" in tag)]


def _config(built: Built, config: str) -> dict[str, Any]:
    folder = FOLDERS[config]
    entry: dict[str, Any] = {"config_name": config}
    if config == built.configs[0]:
        entry["default"] = True
    entry["data_files"] = [{"split": split, "path": f"{folder}/{split}-*"} for split in built.splits_of(config)]
    if config != widest(built.configs, folder):
        entry["columns"] = list(features_of(config))
    return entry


def _info(out: Path, built: Built, config: str) -> DatasetInfo:
    splits: dict[str, dict[str, Any]] = {
        split: {"name": split, "num_bytes": _bytes(out, built, config, split), "num_examples": rows}
        for split in built.splits_of(config)
        for rows in [built.rows_of(config, split)]
    }
    return DatasetInfo(
        features=Features(features_of(config)),
        splits=splits,
        download_size=_download(built, config),
        dataset_size=sum(split["num_bytes"] for split in splits.values()),
    )


def _bytes(out: Path, built: Built, config: str, split: str) -> int:
    """The size in memory of a configuration's columns in a split."""
    files = built.files_of(config, split)
    left_out = set(features_of(widest(built.configs, FOLDERS[config]))) - set(features_of(config))
    return sum(file.nbytes for file in files) - sum(_bytes_of(out / file.path, left_out) for file in files if left_out)


def _bytes_of(path: Path, columns: set[str]) -> int:
    with pq.ParquetFile(path) as file:
        groups = range(file.num_row_groups)
        return sum(file.read_row_group(group, columns=sorted(columns)).nbytes for group in groups)


def _download(built: Built, config: str) -> int:
    return sum(file.size for file in built.files_of(config))


def _rows(built: Built, config: str) -> int:
    return sum(file.rows for file in built.files_of(config))


def size_category(rows: int) -> str:
    """The Hub's category for a number of rows, an int."""
    return next((name for limit, name in ((1_000, "n<1K"), (10_000, "1K<n<10K")) if rows < limit), "10K<n<100K")


# --- The text ------------------------------------------------------------------------------------------------------


def made(built: Built, data: DatasetCardData, repo: str | None = None) -> DatasetCard:
    """The card of a `Built`, from its metadata and the id of a repository, or None."""
    template, filled = _TEMPLATE, _filled(built, repo)
    if built.is_sample:
        template = _TEMPLATE_OF_SAMPLE
        filled = {name: filled[name] for name in _OF_SAMPLE}
        filled.update(configs=built.configs, has_others=built.has_others)
    return DatasetCard.from_template(data, template_str=template.read_text(encoding="utf-8"), **filled)


# What the template of the sample shares with that of MLT_S.
_OF_SAMPLE = "images palette uncertain weak unnamed repo counts values images_url homepage".split()


def _filled(built: Built, repo: str | None) -> dict[str, Any]:
    """The values for the template."""
    published = mlt_s.PUBLISHED_COUNTS.items()
    differs = any(built.rows_of(config, split) != rows for config in built.configs for split, rows in published)
    weak = _weak_counts(built)
    return {
        "images": built.has_images,
        "words": "words" in built.configs,
        "pairs": "segmentation" in built.configs,
        "labels": "labels" in built.configs,
        "palette": built.palette,
        "text_255": built.text_value == 255,
        "by_authors": built.is_by_authors,
        "as_published": built.is_by_authors and not differs and not weak,
        "differs": differs,
        "weak": weak,
        "all_weak": built.is_all_weak,
        "authors_own": built.has_authors_own,
        "unnamed": repo is None,
        "repo": repo or PLACEHOLDER,
        "split": built.splits_of(built.configs[0])[0],
        "languages": LANGUAGES,
        "scripts": ", ".join(f"{value} {name}" for value, name in enumerate(mlt_s.SCRIPTS)),
        "counts": list(_count_rows(built)),
        "values": list(_value_rows(built)),
        "uncertain": built.has_uncertain,
        "unknown": _unknown(built),
        "id2label": str(mlt_s.LABEL_MAP.id2label),
        "and_ground_truth": " and ground truth" if "words" in built.configs else "",
        "revalued": "text in label maps, which was 255, got the value 1, " if built.text_value == 255 else "",
        "recoloured": "label maps got a palette, " if built.palette else "",
        "images_url": mlt_s.IMAGES_URL,
        "homepage": mlt_s.HOMEPAGE,
        "citation": mlt_s.CITATION.strip(),
    }


def _unknown(built: Built) -> str:
    """What is known of label maps that may not be the authors'."""
    if built.text_value == 255:
        return "The authors' label maps hold 0, 1 and 255; in these, text was 255."
    return (
        f"The authors' label maps are in an archive named `{mlt_s.LABEL_ARCHIVE}`, or in its folders. At least some of "
        "these were not, or were repaired by `mlt-s weak` from label maps that were not."
    )


def _count_rows(built: Built) -> Iterator[list[str]]:
    for config in built.configs:
        rows = [f"{built.rows_of(config, split):,}" for split in mlt_s.PUBLISHED_COUNTS]
        yield [f'"{config}"', *rows, size(_download(built, config))]
    if built.is_sample:
        return
    yield ["as published", *(f"{rows:,}" for rows in mlt_s.PUBLISHED_COUNTS.values()), ""]


def _weak_counts(built: Built) -> str:
    config = built.configs[0]  # all have the same pairs
    counts = {split: built.weak_of(config, split) for split in built.splits_of(config)}
    return " and ".join(f"{count:,} of {split}" for split, count in counts.items() if count)


def _value_rows(built: Built) -> Iterator[tuple[str, str, str]]:
    for value in built.label_values:
        name = mlt_s.LABEL_MAP.int2str(value)
        advice = ": ignore it in the loss and in evaluation" if value == mlt_s.LABEL_MAP.ignore_index else ""
        yield str(value), f"{name}{advice}", COLOR_NAMES[name]
