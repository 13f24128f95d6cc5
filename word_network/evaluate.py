"""Evaluates a network on hard drawn words, and compares it with the baseline and filled boxes.

    python -m word_network.evaluate MODEL --fonts FOLDER [--real FOLDER] [--sheet SHEET.png] [--record NETWORK.json]

MODEL is a file of weights. The words are always the same, with font families, backgrounds and effects that are not in
the training. Words by script are as hard as those of the training; words by effect have only that effect. Figures are
over the pixels in the words' boxes, at the threshold 0.5. With ``--real``, pairs of MLT and MLT_S in a folder are
evaluated too, with the boxes of ``tests/real_words.json``.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image

from mlt_s_tools.looking.choose import Source as Pairs
from mlt_s_tools.weak.baseline import Baseline, FilledBox
from mlt_s_tools.weak.evaluate import FIXED
from mlt_s_tools.weak.model import NetworkModel
from mlt_s_tools.weak.rule import TEXT, UNCERTAIN, located
from mlt_s_tools.weak.tally import ALL, INNER, Tally, iou
from mlt_s_tools.words import word_mask
from word_network.crops import EFFECTS, HELD_OUT, SIZES, Source, compose, is_seen
from word_network.texts import SHARES
from word_network.train import Settings, sources

SEED = 2017
WORDS, GROUNDS = 4_000, 300  # drawn for the test
PER_SCRIPT, PER_EFFECT = 60, 16
REAL_WORDS = Path(__file__).parents[1] / "tests/real_words.json"
_BATCH = 32


class Example(NamedTuple):
    """An image (RGB), its words as for `Tally.add`, and its label map, uint8 (height, width)."""

    image: Image.Image
    words: list[dict[str, Any]]
    label: np.ndarray


class Judged(NamedTuple):
    """The counts of a model, and for each word whether the model took the background for text."""

    model: Any
    tally: Tally
    wrong: list[bool]
    sheets: list[tuple[float, np.ndarray]]


def drawn(source: Source, script: str = "", effect: str = "") -> Iterator[Example]:
    """Words of a script with any effects, or of any script with one effect; the same words at each call."""
    names, count = (list(SHARES), PER_SCRIPT) if script else ([*EFFECTS, *HELD_OUT], PER_EFFECT)
    rng = np.random.default_rng((SEED, bool(script), names.index(script or effect)))
    while count:
        size = list(SIZES)[rng.choice(len(SIZES), p=list(SIZES.values()))]
        crop = compose(source, rng, size, script or None, effect or None)
        if is_seen(crop):
            count -= 1
            corners = cv2.boxPoints(cv2.minAreaRect(np.argwhere(crop.word > 127)[:, ::-1].astype(np.float32)))
            word = {"quad": corners.tolist(), "readable": True, "script": script or effect}
            label = np.where(word_mask([word["quad"]], size[::-1]), crop.text > 127, UNCERTAIN)
            yield Example(Image.fromarray(crop.image), [word], label.astype(np.uint8))


def real(folder: Path, moved_back: bool = False) -> Iterator[Example]:
    """The pairs of a folder whose words are in `REAL_WORDS`.

    Args:
        folder: as for `load_dataset`.
        moved_back: move label maps up onto the words. In the published figures from which these pairs were cut, some
            label maps lie a few pixels below their images.
    """
    pairs, pictures = Pairs(folder), json.loads(REAL_WORDS.read_text())
    for choice in pairs.choices:
        of = pictures.get(choice.split, {}).get(choice.pair.image_id)
        if of:
            example = pairs.read(choice)
            words = [{**word, "readable": True, "script": choice.title} for word in of["words"]]
            label = np.roll(np.asarray(example["label"]), -of["label_map_lies_lower_by"] * moved_back, 0)
            yield Example(example["image"], words, label)


def judge(models: Sequence[Any], examples: Sequence[Example]) -> list[Judged]:
    """Counts the pixels of examples for each model."""
    judged = [Judged(model, Tally(), [], []) for model in models]
    for start in range(0, len(examples), _BATCH):
        batch = examples[start : start + _BATCH]
        asked = [(example.image, [word["quad"] for word in example.words]) for example in batch]
        for of in judged:
            for example, patches in zip(batch, of.model.probabilities(asked)):
                of.tally.add(example.words, patches, example.label)
                _add_words(of, example, patches)
    return judged


def _add_words(of: Judged, example: Example, patches: list[Any]) -> None:
    for _, place, mask, of_word in located(example.words, patches, example.image.size):
        label = example.label[place]
        values = np.zeros(mask.shape, np.float32)
        values[mask] = of_word
        text, ground = mask & (label == TEXT), mask & (label == 0)
        if text.any() and ground.any():
            of.wrong.append(bool(values[text].mean() < values[ground].mean()))
            found = (values >= 0.5) & (text | ground)
            share = iou((np.sum(found & text), np.sum(found & ground), np.sum(~found & text), 0))
            of.sheets.append((share, _tile(np.asarray(example.image)[place], label, values)))


def _tile(image: np.ndarray, label: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A word above its label map and the model's output."""
    grey = np.stack([np.where(label == UNCERTAIN, 96, 255 * (label == TEXT)), 255 * values]).astype(np.uint8)
    rows = np.concatenate([image, *np.repeat(grey[..., None], 3, 3)])
    scale = min(160 / rows.shape[1], 180 / rows.shape[0])
    size = max(1, round(rows.shape[1] * scale)), max(1, round(rows.shape[0] * scale))
    shown = cv2.resize(rows, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    return np.pad(shown, ((0, 184 - size[1]), (0, 164 - size[0]), (0, 0)))


def figures(of: Judged) -> dict[str, float]:
    """The figures of a model, in per cent except the calibration error."""
    pixels = of.tally.pixels(ALL, FIXED)
    return {
        "fgIoU": 100 * iou(pixels.sum(0)),
        "mean": 100 * float(np.mean([iou(row) for row in pixels])),
        "without outlines": 100 * iou(of.tally.pixels(INNER, FIXED).sum(0)),
        "unsure text": 100 * of.tally.unsure_share(),
        "calibration error": of.tally.calibration_error(),
        "wrong side": 100 * float(np.mean(of.wrong)),
    }


def report(name: str, judged: Sequence[Judged]) -> dict[str, Any]:
    """Prints a table, with a row for all words and for each script or effect, and returns the figures."""
    found = {of.model.name.split()[0]: figures(of) for of in judged}
    width = max(len(group[1]) for group in judged[0].tally.groups if isinstance(group, tuple))
    print(f"\n{name}, {len(judged[0].wrong)} words\n{'':<{width}}" + "".join(f"{model:>10}" for model in found))
    for figure in next(iter(found.values())):
        print(
            f"{figure:<{width}}"
            + "".join(f"{of[figure]:>10.{3 if 'error' in figure else 1}f}" for of in found.values())
        )
    parts = {group: group[1] for group in judged[0].tally.groups if group[0] == "script"}
    for group, part in parts.items():
        shares = [100 * iou(of.tally.pixels(group, FIXED).sum(0)) for of in judged]
        print(f"{part:<{width}}" + "".join(f"{share:>10.1f}" for share in shares))
        next(iter(found.values()))[f"fgIoU, {part}"] = shares[0]
    return {model: {key: round(value, 3) for key, value in of.items()} for model, of in found.items()}


def sheet(path: Path, judged: Judged, count: int = 60) -> None:
    """A picture of a model's worst words: image, label map, and the model's output."""
    tiles = [tile for _, tile in sorted(judged.sheets, key=lambda pair: pair[0])[:count]]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 10)
    Image.fromarray(np.concatenate([np.hstack(tiles[at : at + 10]) for at in range(0, len(tiles), 10)])).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m word_network.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, metavar="MODEL")
    parser.add_argument("--fonts", type=Path, required=True, metavar="FOLDER", help="see word_network/fonts.py")
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="archives of MLT and MLT_S, as for load_dataset")
    parser.add_argument(
        "--sheet", type=Path, metavar="PNG", help="picture of the worst words to write, one for each set"
    )
    parser.add_argument("--record", type=Path, metavar="JSON", help="record of the network to write the figures into")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = sources(Path(folder), arguments.fonts, Settings(SEED, words=WORDS, grounds=GROUNDS), held=True)
        sets = {
            "by script": [example for script in source.pools for example in drawn(source, script=script)],
            "by effect": [example for effect in [*EFFECTS, *HELD_OUT] for example in drawn(source, effect=effect)],
        }
    if arguments.real:
        sets["real pictures"] = list(real(arguments.real))
        sets["real pictures, label maps moved back"] = list(real(arguments.real, moved_back=True))
    models, found = [NetworkModel(arguments.model), Baseline(), FilledBox()], {}
    for name, examples in sets.items():
        judged = judge(models, examples)
        found[name] = report(name, judged)
        if arguments.sheet:
            sheet(arguments.sheet.with_stem(f"{arguments.sheet.stem} {name}"), judged[0])
    if arguments.record:
        record = json.loads(arguments.record.read_text())
        arguments.record.write_text(json.dumps({**record, "figures": found}, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
