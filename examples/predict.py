"""Writes masks of text with a model that train.py trained. Needs `pip install ".[train]"`.

    python examples/predict.py runs/mit-b0 ~/mlt predictions                  # the validation split
    python examples/predict.py runs/mit-b0 ~/mlt predictions --split train
    python examples/predict.py runs/mit-b0 masks --images holidays            # a folder of your own pictures

CHECKPOINT is a folder with a model and its image processor, as train.py writes them: its OUT, or one of its
OUT/checkpoint-N. Images are processed as in the evaluation of the training, reduced by the same number, so the masks
have the scores that the training reported. A mask is a PNG file with the name and size of its image, 255 for text and 0
elsewhere: mlt-s evaluate takes it, and any viewer shows it. Files are complete or absent. After an interruption, run
the same command again: it continues.

Your own pictures may be JPEG, PNG, GIF, BMP, TIFF or WebP, also in subfolders. A picture with an EXIF orientation is
turned by it, so its mask matches what viewers show; transparent areas count as white. A picture that cannot be read is
reported, and the others are processed. (Images of MLT are used as stored, like their label maps.)
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from tqdm import tqdm
from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation, PreTrainedModel

import mlt_s
from mlt_s_tools.metrics import predict
from mlt_s_tools.training import ArchiveDataset, EvalTransform, for_image_processor

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")  # Pillow reads others, one of which runs PostScript
EXTENSIONS = {extension for extension, name in Image.registered_extensions().items() if name in FORMATS}
Jobs = dict[str, Callable[[], dict[str, Any]]]  # the name of a mask -> a function that returns its example
RECORD = "predict.json"  # in OUT: the images and the model of its masks


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_intermixed_args(arguments)
    try:
        jobs = of_folder(Path(options.images), Path(options.out)) if options.images else of_archives(options)
    except (OSError, mlt_s.MltSError) as error:
        raise SystemExit(f"predict.py: {error}") from None
    model, transform = load(options.checkpoint, options.reduce)
    images = str(Path(options.images).resolve()) if options.images else options.split
    begin(Path(options.out), {"images": images, "reduce": transform.reduce, "model": digest(model)})
    try:
        failed = write_masks(jobs, model, transform, Path(options.out))
    except KeyboardInterrupt:
        print("predict.py: interrupted; run the same command again to continue", file=sys.stderr)
        return 130
    print(f"{len(jobs) - failed:,} of {len(jobs):,} masks: {Path(options.out).resolve()}")
    if not options.images:
        label_maps = [word for place in options.label_maps or () for word in ("--label-maps", place)]
        words = ["mlt-s", "evaluate", options.out, options.data, "--split", options.split, *label_maps]
        print(f"How good they are: {shlex.join(words)}")
    return 1 if failed else 0


def parser() -> argparse.ArgumentParser:
    about = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = about.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="folder of a trained model and its image processor")
    add("data", metavar="DATA_DIR", nargs="?", help="folder of the archives; not used with --images")
    add("out", metavar="OUT", help="folder for the masks: a new one, or one to continue")
    add("--split", choices=list(mlt_s.PUBLISHED_COUNTS), default="validation", help="of DATA_DIR (%(default)s)")
    add("--label-maps", metavar="PATH", action="append", help="place of the label maps, if not in DATA_DIR")
    add("--images", metavar="FOLDER", help="your own pictures, instead of those of DATA_DIR")
    add(
        "--reduce", metavar="N", type=int, help="use 1/N of width and height (default: as in the training's evaluation)"
    )
    return about


# --- The images: a dict of the names of masks to functions that return the example -----------------------------------


def of_archives(options: argparse.Namespace) -> Jobs:
    if not options.data:
        raise SystemExit("predict.py: give DATA_DIR, the folder of the archives, or --images FOLDER")
    given = {"missing_images": "skip", "label_maps": options.label_maps}  # mlt-s evaluate reports what is missing
    data = ArchiveDataset(options.data, options.split, **given)
    return {pair.image_id: functools.partial(data.__getitem__, index) for index, pair in enumerate(data.pairs)}


def of_folder(folder: Path, out: Path) -> Jobs:
    """The pictures in a folder and its subfolders, without `out`. Reports files that are not pictures."""
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    if out.resolve() == folder.resolve():
        raise FileExistsError(f"{out} is the folder of the pictures: give a new folder for the masks")
    found = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    found = [path for path in found if not any(part.startswith(".") for part in path.parts)]
    found = [path for path in found if out.resolve() not in (folder / path).resolve().parents]
    pictures = [path for path in found if path.suffix.lower() in EXTENSIONS]
    if others := sorted(set(found) - set(pictures)):
        print(f"predict.py: left out {len(others):,} files that are not pictures, such as {others[0]}", file=sys.stderr)
    if not pictures:
        raise FileNotFoundError(f"there are no pictures in {folder}")
    # The mask of sign.jpg is sign.png. If that name is ambiguous, as with sign.webp beside it, it is sign.jpg.png.
    masks = {str(path.with_suffix("")).lower() for path in pictures}
    names = [path.with_suffix("") if len(masks) == len(pictures) else path for path in pictures]
    return {str(name): functools.partial(picture, folder / path) for name, path in zip(names, pictures)}


def picture(path: Path) -> dict[str, Any]:
    with Image.open(path, formats=FORMATS) as opened:
        if opened.mode.startswith(("I", "F")):  # Pillow would make all values above 255 white
            raise ValueError(f"it has more than 8 bits per channel (mode {opened.mode}): save it with 8")
        image: Image.Image = ImageOps.exif_transpose(opened)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return {"image": image.convert("RGB"), "label": None, "image_id": path.name}


# --- The model -------------------------------------------------------------------------------------------------------


def load(checkpoint: str, reduce: int | None) -> tuple[PreTrainedModel, EvalTransform]:
    """The model on its device, and its transform, reduced as asked for or as in the training's evaluation."""
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        processor = AutoImageProcessor.from_pretrained(checkpoint)
        model = AutoModelForSemanticSegmentation.from_pretrained(checkpoint)
    except (OSError, ValueError) as error:
        raise SystemExit(
            f"predict.py: {checkpoint} is not a folder of a model and its image processor: {error}"
        ) from None
    reduce = getattr(model.config, "eval_reduce", 1) if reduce is None else reduce  # train.py stores it there
    return model.to(device).eval(), for_image_processor(processor).evaluation(reduce=reduce)


def mask_of(model: PreTrainedModel, given: dict[str, Any]) -> npt.NDArray[np.uint8]:
    """A mask, uint8 (height, width) of 0 and 255, from what the evaluation transform returned."""
    pixels = torch.from_numpy(given["pixel_values"])[None].to(model.device)
    as_trained = model.device.type == "cuda" and torch.cuda.is_bf16_supported()
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16) if as_trained else nullcontext():
        logits = model(pixel_values=pixels).logits[0]
    return predict(logits, given).cpu().numpy().astype(np.uint8) * 255


def digest(model: torch.nn.Module) -> str:
    """Identifies a set of weights."""
    found = hashlib.sha256()
    for name, values in sorted(model.state_dict().items()):
        found.update(name.encode() + values.cpu().numpy().tobytes())
    return found.hexdigest()


# --- The masks -------------------------------------------------------------------------------------------------------


def begin(out: Path, record: dict[str, Any]) -> None:
    """Makes the folder, or continues one that holds masks of the same images by the same model."""
    path = out / RECORD
    if path.exists():
        before = json.loads(path.read_text())
        if other := [name for name in {**before, **record} if before.get(name) != record.get(name)]:
            raise SystemExit(f"predict.py: {out} holds masks of another {' and '.join(other)}: give a new folder")
    elif out.exists() and any(out.iterdir()):
        raise SystemExit(f"predict.py: {out} holds other files: give a new folder")
    else:
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=2) + "\n")


def write_masks(jobs: Jobs, model: PreTrainedModel, transform: EvalTransform, out: Path) -> int:
    """Writes the missing masks. Reports images that cannot be read, and returns their number."""
    todo = [name for name in jobs if not (out / f"{name}.png").exists()]
    failed = 0
    for name in tqdm(todo, "masks", initial=len(jobs) - len(todo), total=len(jobs), unit="image"):
        try:
            given = transform(jobs[name]())
        except Exception as error:  # Pillow raises many kinds of errors for broken pictures
            failed += 1
            tqdm.write(f"predict.py: no mask of {name}: {error}", file=sys.stderr)
            continue
        try:
            save(mask_of(model, given), out / f"{name}.png")
        except torch.cuda.OutOfMemoryError:
            shape = given["pixel_values"].shape[1:]
            raise SystemExit(f"predict.py: {name}, {shape[1]} x {shape[0]}, needs more memory: --reduce 2") from None
    return failed


def save(mask: npt.NDArray[np.uint8], path: Path) -> None:
    """Writes under a temporary name and renames, so that a mask is complete or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        Image.fromarray(mask).save(part, "PNG")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
