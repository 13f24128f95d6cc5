"""What stands beside the Parquet files: the card (README.md), Croissant metadata, the names of the classes, a picture.

The card is card.md with its {{names}} filled in. What it says for some repositories only stands there between
`<!-- if ... -->` and `<!-- end -->`. Nothing in it depends on the date, the machine, or the version of `datasets`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # comes with datasets
from datasets import DatasetInfo, Features
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCardData

import mlt_s
from mlt_s_tools.hub import croissant
from mlt_s_tools.hub.layout import FOLDERS, Built, features_of, widest
from mlt_s_tools.looking.preview import contact_sheet, label_sheet
from mlt_s_tools.writing import whole, write_json, write_picture

LANGUAGES = ("ar", "bn", "de", "en", "fr", "it", "ja", "ko", "zh")
TAGS = ("scene-text", "text-segmentation", "icdar-2017-mlt")
PLACEHOLDER = "namespace/name"
COLOR_NAMES = {"background": "black", "text": "red", "uncertain": "yellow"}

_TEMPLATE = Path(__file__).with_name("card.md")


def write(out: Path, built: Built, examples: Iterable[tuple[str, Mapping[str, Any]]], repo: str | None = None) -> None:
    """Writes README.md, croissant.json, id2label.json and preview.png.

    Args:
        out: the folder of the repository, a `pathlib.Path`, with its Parquet files.
        built: the `layout.Built` that it holds.
        examples: pairs of a title and an example for the picture, as `preview.contact_sheet` takes them; of a
            repository of label maps alone, examples without image.
        repo: "namespace/name" on the Hub, for the calls in the card. By default a placeholder that the card explains,
            so that it is right wherever it is uploaded by hand.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: no examples.
    """
    card = f"---\n{_metadata(out, built).to_yaml()}\n---\n\n{body(built, repo)}"
    with whole(out / "README.md") as file:  # as bytes, as Windows would change the line ends
        file.write(card.encode())
    names = {str(value): name for value, name in mlt_s.LABEL_MAP.id2label.items()}
    write_json(out / "id2label.json", names)
    write_json(out / croissant.NAME, croissant.metadata(built, LANGUAGES, TAGS))
    sheet = contact_sheet if built.has_images else label_sheet
    write_picture(out / "preview.png", sheet(examples))


# --- The front matter ----------------------------------------------------------------------------------------------


def _metadata(out: Path, built: Built) -> DatasetCardData:
    data = DatasetCardData(
        pretty_name="MLT_S",
        license="cc-by-4.0",
        task_categories=["image-segmentation"],
        task_ids=["semantic-segmentation"],
        language=list(LANGUAGES),
        multilinguality=["multilingual"],
        size_categories=[size_category(max(_rows(built, config) for config in built.configs))],
        annotations_creators=["machine-generated"],
        source_datasets=["extended"],
        tags=list(TAGS),
        configs=[_config(built, config) for config in built.configs],
    )
    DatasetInfosDict({config: _info(out, built, config) for config in built.configs}).to_dataset_card_data(data)
    return data


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
    """What a configuration's columns of a split take in memory."""
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


def body(built: Built, repo: str | None) -> str:
    """The card's text in Markdown, without its front matter, of a `Built` and a repository's id, or None."""
    parts, words = _parts(built, repo), _words(built, repo or PLACEHOLDER)
    text = _TEMPLATE.read_text(encoding="utf-8")
    text = re.sub(
        r"<!-- if (\w+) -->\n(.*?)<!-- end -->\n",
        lambda found: found[2] if parts[found[1]] else "",
        text,
        flags=re.DOTALL,
    )
    return re.sub(r"\{\{(\w+)\}\}", lambda found: words[found[1]], text)


def _parts(built: Built, repo: str | None) -> dict[str, bool]:
    """Which parts of the template hold."""
    published = mlt_s.PUBLISHED_COUNTS.items()
    return {
        "images": built.has_images,
        "words": "words" in built.configs,
        "pairs": "segmentation" in built.configs,
        "pairs_and_words": {"segmentation", "words"} <= set(built.configs),
        "words_only": "words" in built.configs and "segmentation" not in built.configs,
        "labels": "labels" in built.configs,
        "labels_only": not built.has_images,
        "palette": built.palette,
        "text_255": built.text_value == 255,
        "grey": not built.palette,
        "unnamed": repo is None,
        "weak": any(file.weak for file in built.files),
        "differs": any(built.rows_of(config, split) != rows for config in built.configs for split, rows in published),
    }


def _words(built: Built, repo: str) -> dict[str, str]:
    """What stands for the names of the template."""
    has_images, has_words = built.has_images, "words" in built.configs
    return {
        "pictured": "Images, their label maps, and both over each other" if has_images else "Label maps",
        "repo": repo,
        "split": built.splits_of(built.configs[0])[0],
        "mode": '"P"' if built.palette else '"L"',
        "as_large": ", as large as its image" if has_images else "",
        "scripts": ", ".join(f"{value} {name}" for value, name in enumerate(mlt_s.SCRIPTS)),
        "counts": "\n".join(_count_rows(built)),
        "weak": _weak_counts(built),
        "values": "\n".join(_value_rows()),
        "id2label": str(mlt_s.LABEL_MAP.id2label),
        "and_words": ", words" if has_words else "",
        "and_ground_truth": " and ground truth" if has_words else "",
        "revalued": "text in label maps, which was 255, got the value 1, " if built.text_value == 255 else "",
        "recoloured": "label maps got a palette, " if built.palette else "",
        "images_url": mlt_s.IMAGES_URL,
        "homepage": mlt_s.HOMEPAGE,
        "citation": mlt_s.CITATION.strip(),
    }


def _count_rows(built: Built) -> Iterator[str]:
    for config in built.configs:
        rows = " | ".join(f"{built.rows_of(config, split):,}" for split in mlt_s.PUBLISHED_COUNTS)
        yield f'| "{config}" | {rows} | {_megabytes(_download(built, config))} |'
    yield f"| as published | {' | '.join(f'{rows:,}' for rows in mlt_s.PUBLISHED_COUNTS.values())} | |"


def _weak_counts(built: Built) -> str:
    config = built.configs[0]  # all have the same pairs
    counts = {split: built.weak_of(config, split) for split in built.splits_of(config)}
    return " and ".join(f"{count:,} of {split}" for split, count in counts.items() if count)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:,.1f} MB"


def _value_rows() -> Iterator[str]:
    for value in mlt_s.LABEL_MAP.colors:
        name = mlt_s.LABEL_MAP.int2str(value)
        advice = ": ignore it in the loss and in evaluation" if value == mlt_s.LABEL_MAP.ignore_index else ""
        yield f"| {value} | {name}{advice} | {COLOR_NAMES[name]} |"
