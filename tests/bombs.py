"""Small files that cost minutes or gigabytes where nothing limits them, and what each costs.

    python tests/bombs.py             # all of them; seconds and megabytes of each
    python tests/bombs.py jpeg        # those with this in their names
    python tests/bombs.py --seconds 300 --memory 4000

Each is made in a temporary folder and read by another process, whose time and memory are limited. `test_bombs.py`
reads small ones of the same kinds.
"""

from __future__ import annotations

import argparse
import os
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
from archives import (
    encoded,
    image_file,
    jpeg_with,
    label_file,
    label_members,
    png_chunk,
    png_with,
    words_line,
    write_pairs,
    write_zip,
)

ROOT = Path(__file__).resolve().parents[1]
MEGABYTE = 1 << 20
JPEG, PNG = image_file(1), image_file(1, "PNG")
SCAN = JPEG.index(b"\xff\xda")


# --- Pictures ------------------------------------------------------------------------------------------------------


def packed_text(size: int, count: int = 1, keyword: bytes = b"Raw profile type exif", kind: bytes = b"zTXt") -> bytes:
    """A PNG file with text chunks that unpack to that many bytes each."""
    head = {b"zTXt": b"\0\0", b"iTXt": b"\0\1\0\0\0"}[kind]
    chunk = png_chunk(kind, keyword + head + zlib.compress(b"6" * size, 9))
    return PNG[:33] + chunk * count + PNG[33:]


def many_chunks(count: int) -> bytes:
    return PNG[:33] + png_chunk(b"prVt", b"") * count + PNG[33:]


def fill_bytes(count: int, fill: bytes = b"\xff") -> bytes:
    """A JPEG file with these bytes before its first segment, which the standard allows for 0xFF."""
    return JPEG[:2] + fill * count + JPEG[2:]


def many_segments(count: int, payload: bytes = b"", marker: int = 0xE5) -> bytes:
    segment = jpeg_with(b"", payload, marker=marker)
    return JPEG[:2] + segment * count + JPEG[2:]


def crowded_exif(size: int) -> bytes:
    """EXIF whose entries lie all on top of each other: each claims the rest of the block."""
    count = (size - 14) // 12
    claim = b"\7\0" + (size - 100).to_bytes(4, "little") + bytes(4)
    entries = b"".join((0x8000 + at).to_bytes(2, "little") + claim for at in range(count))
    return b"II*\0\x08\0\0\0" + count.to_bytes(2, "little") + entries + bytes(4)


def many_scans(count: int, width: int = 24, height: int = 16) -> bytes:
    """A progressive JPEG file of one colour, whose last scan is there that many times more."""
    jpeg = encoded(PIL.Image.new("RGB", (width, height)), "JPEG", progressive=True)
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    return jpeg[:-2] + last * count + jpeg[-2:]


def large(side: int, label: bool = False) -> bytes:
    """A black PNG file of side x side pixels, 8-bit RGB or grey."""
    header = side.to_bytes(4, "big") * 2 + (b"\x08\0\0\0\0" if label else b"\x08\2\0\0\0")
    packer = zlib.compressobj(9)
    row = bytes(1 + (side if label else 3 * side))
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    chunks = (b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def pair_of(folder: Path, image: bytes, label: bytes | None = None) -> Path:
    return write_pairs(folder, {"img_1.jpg": (image, label or label_file(1))})


def overlapping(folder: Path, count: int, size: int) -> Path:
    """An archive whose members share their bytes: each holds the next one's header, as a stored block, and its data.

    See D. Fifield, "A better zip bomb" (WOOT 2019).
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    content = bytes(size)
    data = packer.compress(content) + packer.flush()
    entries = []
    for number in range(count, 0, -1):
        name = b"img_%d.jpg" % number
        fields = struct.pack("<5H3I2H", 20, 0, 8, 0, 33, zlib.crc32(content), len(data), len(content), len(name), 0)
        header = b"PK\3\4" + fields + name
        rest = header + data
        entries.append((name, fields, len(rest)))
        content = header + content
        data = struct.pack("<B2H", 0, len(header), 0xFFFF ^ len(header)) + rest
    directory = b"".join(
        b"PK\1\2" + struct.pack("<H", 20) + fields + bytes(10) + struct.pack("<I", len(rest) - from_end) + name
        for name, fields, from_end in entries
    )
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(directory), len(rest), 0)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ch8_training_images_1.zip").write_bytes(rest + directory + end)
    write_zip(folder / "MLT_S_labels.zip", label_members({f"img_{n}": label_file(n) for n in range(1, 4)}, {}))
    return folder


# --- Label maps in Parquet -----------------------------------------------------------------------------------------


def one_value(value: bytes | str, count: int) -> pa.DictionaryArray:
    kind = pa.binary() if isinstance(value, bytes) else pa.string()
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([value], kind))


def write_rows(folder: Path, image_ids: pa.Array, labels: pa.Array, **options) -> Path:
    """A built set of label maps: image ids and PNG files (None where a row has none)."""
    pictures = pa.StructArray.from_arrays([labels], ["bytes"], mask=labels.is_null())
    (folder / "labels").mkdir(parents=True, exist_ok=True)
    path = folder / "labels" / "train-00000-of-00001.parquet"
    pq.write_table(pa.table({"image_id": image_ids, "label": pictures}), path, compression="zstd", **options)
    return folder


def numbered(count: int) -> pa.Array:
    return pa.array([f"img_{at}" for at in range(count)])


def in_one_dictionary(folder: Path, count: int, size: int) -> Path:
    return write_rows(folder, numbered(count), one_value(label_file(1) + bytes(size), count))


def of_long_ids(folder: Path, count: int, size: int) -> Path:
    return write_rows(folder, one_value("i" * size, count), one_value(label_file(1), count))


def of_zeros(folder: Path, count: int, size: int) -> Path:
    return write_rows(folder, numbered(count), pa.array([label_file(1) + bytes(size)] * count), use_dictionary=False)


def of_nothing(folder: Path, count: int) -> Path:
    return write_rows(folder, numbered(count), one_value(b"", count))


def of_nulls(folder: Path, count: int) -> Path:
    return write_rows(folder, pa.nulls(count, pa.string()), pa.nulls(count, pa.binary()))


# --- Ground truth --------------------------------------------------------------------------------------------------

WORD = words_line([(1, 1), (9, 1), (9, 5), (1, 5)])
SMALL = words_line([(1, 1), (21, 1), (21, 9), (1, 9)])
BOX = words_line([(0, 0), (4000, 0), (4000, 4000), (0, 4000)])


def with_words(folder: Path, content: bytes, side: int = 16) -> Path:
    """A pair of side x side pixels, and the file that is taken for its ground truth."""
    write_pairs(folder, {"img_1.png": (large(side), large(side, label=True))})
    label_maps = label_members({"img_1": png_with(large(side, label=True), b"prVt", b"")}, {})  # is no image's twin
    write_zip(folder / "MLT_S_labels.zip", label_maps)
    write_zip(folder / "ch8_training_localization_transcription_gt_v2.zip", {"gt_img_1.txt": content})
    return folder


def lines(count: int, line: str = WORD) -> bytes:
    return (line + "\r\n").encode() * count


def scripts(count: int) -> bytes:
    return "".join(f"1,1,9,1,9,5,1,5,script {at},word\n" for at in range(count)).encode()


# --- What reads them -----------------------------------------------------------------------------------------------

# Each is run by a Python of its own, in which `folder` is where the bomb is and `out` a path to write to.
STREAM = "for split in mlt_s.MltS(data_dir=folder).as_streaming_dataset().values(): list(split)"
WORDS = "for split in mlt_s.MltS(config_name='words', data_dir=folder).as_streaming_dataset().values(): list(split)"
LABELS = "for split in mlt_s.MltS(config_name='labels', label_maps=folder).as_streaming_dataset().values(): list(split)"


def command(*arguments: str) -> str:
    return f"from mlt_s_tools.cli import main; sys.exit(main([{', '.join(arguments)}]))"


CHECK = command("'check'", "folder", "'--pixels'")
PAGE = command("'preview'", "folder", "'--html'", "out + '.html'")
BUILD = command("'build'", "folder", "out + '-built'")
SHEET = command("'preview'", "folder", "'--out'", "out + '.png'")
WEAK = command("'weak'", "'label'", "folder", "'baseline'", "out + '/weak.zip'")
BUILD_WORDS = command("'build'", "folder", "out + '-built'", "'--config'", "'words'")


class Bomb(NamedTuple):
    make: Callable[[Path], Path]  # writes it into a folder, and returns what is loaded
    read: str


def of_image(*arguments, make) -> Callable[[Path], Path]:
    return lambda folder: pair_of(folder, make(*arguments))


BOMBS = {
    "png: zTXt of 250 MB": Bomb(of_image(250 * MEGABYTE, make=packed_text), STREAM),
    "png: zTXt of 250 MB, ten times": Bomb(of_image(250 * MEGABYTE, 10, make=packed_text), STREAM),
    "png: iTXt of 250 MB": Bomb(of_image(250 * MEGABYTE, 1, b"XML:com.adobe.xmp", b"iTXt", make=packed_text), STREAM),
    "png: 10 million chunks": Bomb(of_image(10_000_000, make=many_chunks), STREAM),
    "png: EXIF of 200 KB, each entry the rest": Bomb(
        lambda folder: pair_of(folder, png_with(PNG, b"eXIf", crowded_exif(200_000))), STREAM
    ),
    "jpeg: 120 million times 0xFF": Bomb(of_image(120_000_000, make=fill_bytes), STREAM),
    "jpeg: 120 million times 0": Bomb(of_image(1, b"\xff\xe5\0\2" + bytes(120_000_000), make=fill_bytes), STREAM),
    "jpeg: 30 million empty segments": Bomb(of_image(30_000_000, make=many_segments), STREAM),
    "jpeg: 3,000 segments of EXIF": Bomb(
        of_image(3000, b"Exif\0\0" + crowded_exif(65_000), 0xE1, make=many_segments), STREAM
    ),
    "jpeg: EXIF of 65 KB, each entry the rest": Bomb(
        of_image(1, b"Exif\0\0" + crowded_exif(65_000), 0xE1, make=many_segments), STREAM
    ),
    "jpeg: 500 scans": Bomb(lambda folder: pair_of(folder, many_scans(500, 4000, 4000), large(4000, True)), STREAM),
    "pair of 13,000 x 13,000, page": Bomb(lambda folder: pair_of(folder, large(13_000), large(13_000, True)), PAGE),
    "pair of 13,000 x 13,000, build": Bomb(lambda folder: pair_of(folder, large(13_000), large(13_000, True)), BUILD),
    "pair of 9,400 x 9,400, stream": Bomb(lambda folder: pair_of(folder, large(9_400), large(9_400, True)), STREAM),
    "pair of 9,400 x 9,400, page": Bomb(lambda folder: pair_of(folder, large(9_400), large(9_400, True)), PAGE),
    "pair of 9,400 x 9,400, build": Bomb(lambda folder: pair_of(folder, large(9_400), large(9_400, True)), BUILD),
    "pair of 9,400 x 9,400, sheet": Bomb(lambda folder: pair_of(folder, large(9_400), large(9_400, True)), SHEET),
    "pair of 9,400 x 9,400, check": Bomb(lambda folder: pair_of(folder, large(9_400), large(9_400, True)), CHECK),
    "zip: 200 members of 20 MB that overlap": Bomb(lambda folder: overlapping(folder, 200, 20_000_000), CHECK),
}

BOMBS |= {
    "words: a million lines, stream": Bomb(lambda folder: with_words(folder, lines(1_000_000)), WORDS),
    "words: a million lines, page": Bomb(lambda folder: with_words(folder, lines(1_000_000)), PAGE),
    "words: a million lines, weak label": Bomb(lambda folder: with_words(folder, lines(1_000_000)), WEAK),
    "words: 120 MB of line ends": Bomb(lambda folder: with_words(folder, b"\n" * 120_000_000), WORDS),
    "words: 100,000 scripts": Bomb(lambda folder: with_words(folder, scripts(100_000)), WORDS),
    "words: 40,000 words, build": Bomb(lambda folder: with_words(folder, lines(40_000)), BUILD_WORDS),
    "words: 40,000 words, weak label": Bomb(lambda folder: with_words(folder, lines(40_000)), WEAK),
    "words: 200 words of 4,000 x 4,000, weak label": Bomb(
        lambda folder: with_words(folder, lines(200, BOX), 4000), WEAK
    ),
    "words: 2,000 words, page": Bomb(lambda folder: with_words(folder, lines(2000, SMALL), 400), PAGE),
    "words: 2,000 words, build": Bomb(lambda folder: with_words(folder, lines(2000, SMALL), 400), BUILD_WORDS),
    "words: 2,000 words, weak label": Bomb(lambda folder: with_words(folder, lines(2000, SMALL), 400), WEAK),
    "parquet: 50,000 times 8 MB in one dictionary": Bomb(
        partial(in_one_dictionary, count=50_000, size=8 << 20), LABELS
    ),
    "parquet: 10,000 times an id of 1 MB": Bomb(partial(of_long_ids, count=10_000, size=MEGABYTE), LABELS),
    "parquet: 190 times 10 MB of zeros": Bomb(partial(of_zeros, count=190, size=10_000_000), LABELS),
    "parquet: 50 times 10 MB of zeros": Bomb(partial(of_zeros, count=50, size=10_000_000), LABELS),
    "parquet: 50 million rows of nulls": Bomb(partial(of_nulls, count=50_000_000), LABELS),
    "parquet: 2 million empty label maps": Bomb(partial(of_nothing, count=2_000_000), LABELS),
    "parquet: 50,000 times one label map": Bomb(partial(in_one_dictionary, count=50_000, size=0), LABELS),
    "parquet: 120 times 8 MB in one dictionary": Bomb(partial(in_one_dictionary, count=120, size=8 << 20), LABELS),
}


# --- What they cost ------------------------------------------------------------------------------------------------


class Cost(NamedTuple):
    size: int  # bytes of all files
    seconds: float
    peak: int  # bytes of memory, of the largest process
    end: str  # its last words


def cost_of(bomb: Bomb, seconds: int, memory: int) -> Cost:
    """What reading a bomb costs beyond the import; `seconds` and `memory` (bytes) limit it."""
    with tempfile.TemporaryDirectory() as place:
        folder = bomb.make(Path(place) / "mlt")
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        (Path(place) / "out").mkdir()
        code = (
            "import resource, sys, time, datasets, PIL.Image, mlt_s\n"
            f"resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))\n"
            "folder, out = sys.argv[1:]\n"
            "start = time.monotonic()\n"
            f"try:\n    {bomb.read}\n"
            "finally:\n"
            "    seconds = time.monotonic() - start\n"
            "    own = int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
            "    print('cost', seconds, max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) << 10)\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HOME": f"{place}/cache", "HF_HUB_OFFLINE": "1"}
        arguments = [sys.executable, "-c", code, str(folder), f"{place}/out"]
        try:
            done = subprocess.run(
                arguments, env=environment, cwd=place, capture_output=True, text=True, errors="replace", timeout=seconds
            )
        except subprocess.TimeoutExpired:
            return Cost(size, seconds, 0, f"stopped after {seconds} s")
    cost = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("cost ")]
    said = [line for line in (done.stderr or done.stdout).splitlines() if line and not line.startswith("cost ")]
    took, peak = cost[-1] if cost else (0, 0)
    return Cost(size, float(took), int(peak), f"{done.returncode}: {said[-1] if said else ''}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="parts of names; by default all")
    parser.add_argument("--seconds", type=int, default=120, help="limit of each")
    parser.add_argument("--memory", type=int, default=6000, help="limit of each, in MB of address space")
    given = parser.parse_args()
    for name, bomb in BOMBS.items():
        if not given.names or any(part in name for part in given.names):
            cost = cost_of(bomb, given.seconds, given.memory * MEGABYTE)
            print(f"{name}: {cost.size / 1000:,.1f} KB, {cost.seconds:.1f} s, {cost.peak / 1e6:,.0f} MB", flush=True)
            print(f"    {cost.end[:300]}", flush=True)


if __name__ == "__main__":
    main()
