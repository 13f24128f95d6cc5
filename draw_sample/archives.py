"""Pictures as files, and files as the archives that users of MLT and MLT_S download."""

import io
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm  # comes with datasets

from drawing.noise import Array

from .fonts import check_fonts
from .pictures import PICTURES, Picture
from .scene import photographed
from .surface import Word

SEED = 2017
ZIP_TIME = (2017, 5, 1, 0, 0, 0)
EXIF_ORIENTATION, TURN_RIGHT_TO_VIEW = 0x0112, 6
LABEL_ARCHIVE = "MLT_S_labels.zip"

Archives = dict[str, dict[str, bytes]]  # archive name: member name: content


def draw_sample(folder: Path, pictures: Sequence[Picture] = PICTURES) -> None:
    """Draw the pictures and write their archives into a folder."""
    check_fonts()
    archives: Archives = defaultdict(dict)
    for picture in tqdm(pictures, unit="picture"):
        add_picture(archives, picture)
    folder.mkdir(parents=True, exist_ok=True)
    for name, members in archives.items():
        (folder / name).write_bytes(zipped(members))


def add_picture(archives: Archives, picture: Picture) -> None:
    """Draw a picture and add its image, its label map if it has one, and its ground truth."""
    rng = np.random.default_rng([SEED, zlib.crc32(f"{picture.split}/{picture.stem}".encode())])
    image, label_map, words = photographed(picture.scene, rng)
    if picture.sideways:
        image, label_map, words = laid_on_side(image, label_map, words)
    archives[picture.archive][picture.name] = encoded(image, picture)
    truth = f"ch8_{picture.split}_localization_transcription_gt_v2.zip"
    archives[truth][f"gt_{picture.stem}.txt"] = "".join(map(ground_truth_line, words)).encode("utf-8-sig")
    if picture.labelled:
        member = f"MLT_S_labels/{picture.split}_labels/{picture.stem}.png"
        archives[LABEL_ARCHIVE][member] = png(Image.fromarray(label_map))


def laid_on_side(image: Image.Image, label_map: Array, words: list[Word]) -> tuple[Image.Image, Array, list[Word]]:
    """An upright picture as a camera held on its side stores it: turned a quarter to the left."""
    last_column = image.width - 1
    turned = [replace(word, quad=np.column_stack([word.quad[:, 1], last_column - word.quad[:, 0]])) for word in words]
    return image.transpose(Image.Transpose.ROTATE_90), np.rot90(label_map).copy(), turned


def encoded(image: Image.Image, picture: Picture) -> bytes:
    """The image in the format that its name's extension says."""
    extension = picture.name.rpartition(".")[2].lower()
    if extension == "png":
        return png(image)
    buffer = io.BytesIO()
    if extension == "gif":
        image.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(buffer, "GIF")
    else:
        exif = Image.Exif()
        if picture.sideways:
            exif[EXIF_ORIENTATION] = TURN_RIGHT_TO_VIEW
        image.save(buffer, "JPEG", quality=85, optimize=True, subsampling="4:2:0", exif=exif)
    return buffer.getvalue()


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def ground_truth_line(word: Word) -> str:
    """``x1,y1,x2,y2,x3,y3,x4,y4,script,transcription``; commas in the transcription are not escaped, as in MLT."""
    corners = ",".join(str(value) for value in word.quad.round().astype(int).ravel())
    return f"{corners},{word.script},{word.transcription}\n"


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip of the members in their order, with a fixed time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, content, compresslevel=9)
    return buffer.getvalue()
