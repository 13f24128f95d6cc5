"""Whatever happens to the bytes: right pairs come, or an `MltSError`. Nothing else escapes, and nothing takes long.

Each round spoils the same small archives in another way, by its seed. Longer, by hand, with a seed to begin with:

    python tests/test_fuzz.py SECONDS [SEED]

What a round found has a name in test_hurts.py.
"""

from __future__ import annotations

import io
import itertools
import logging
import random
import re
import resource
import signal
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import datasets
import numpy as np
import PIL.Image
import pytest
from archives import (
    image_file,
    jpeg_with,
    label_file,
    label_members,
    label_values,
    png_chunk,
    png_with,
    raw_png,
    tiff_block,
    write_zip,
    xmp_packet,
)

import mlt_s
from mlt_s_tools.words import word_mask

ROUNDS = 600
LIMIT = 10  # seconds of a processor for a round, which needs some milliseconds: a guard against hangs
MEMORY = 256 << 20  # bytes more at the peak than before
MOST_PIXELS = 1 << 20  # Pillow's limit while this runs: what decoding one picture costs is bounded by it

IMAGE = datasets.Image(mode="RGB")
EXIF = b"Exif\0\0" + tiff_block(6, after=[(0x011A, 5, 1, b"\x08\0\0\0")])
XMP = b"http://ns.adobe.com/xap/1.0/\0" + xmp_packet(3)
ITXT = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp_packet(6)

# Of every kind, each of other pixels and all of one size, so that no size tells them apart.
IMAGES = {
    "img_1": image_file(1),
    "img_2": jpeg_with(image_file(2, dpi=(72, 72)), EXIF),
    "img_3": jpeg_with(image_file(3, progressive=True), XMP),
    "img_4": png_with(image_file(4, "PNG"), b"eXIf", tiff_block(8, "big")),
    "img_5": png_with(image_file(5, "PNG"), b"iTXt", ITXT, after=True),
    "img_6": image_file(6, "GIF"),
    "img_7": raw_png(np.arange(24 * 16).reshape(16, 24) % 3, 8, 3, range(9), interlaced=True),
}
VALUES = {f"img_{n}": label_values(seed=n) for n in range(1, 7)} | {"img_7": np.arange(24 * 16).reshape(16, 24) % 2}
LABELS = {f"img_{n}": label_file(n) for n in range(1, 7)} | {
    "img_7": raw_png(VALUES["img_7"], 1, 3, [0, 0, 0, 255, 0, 0])
}


WORDS = {
    f"img_{n}": f"\ufeff{n},2,{n + 9},2,{n + 9},6,{n},6,{mlt_s.SCRIPTS[n]},a, {n}\r\n".encode() for n in range(1, 8)
}


# --- What can happen -----------------------------------------------------------------------------------------------


def bytes_anywhere(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 4, 16])):
        at = chance.randrange(len(changed))
        changed[at] = chance.choice([changed[at] ^ 1 << chance.randrange(8), chance.randrange(256), 0, 255])
    return bytes(changed)


def cut_or_joined(data: bytes, chance: random.Random) -> bytes:
    at, to = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    ways = [data[:at], data[at:], data[:at] + data[to:], data[:to] + data[at:], data[:at] + bytes(to - at) + data[to:]]
    return chance.choice(ways)


def fields_of(signature: bytes, widths: list[int]):
    """Sets one or two fields of a header to values on which programs stumble."""

    def change(data: bytes, chance: random.Random) -> bytes:
        starts = [match.start() for match in re.finditer(re.escape(signature), data)]
        changed = bytearray(data)
        for _ in range(chance.choice([1, 1, 2])):
            if starts:
                field = chance.randrange(len(widths))
                start = chance.choice(starts) + 4 + sum(widths[:field])
                size = widths[field]
                old = int.from_bytes(data[start : start + size], "little")
                odd = [0, 1, old + 1, old - 1, 2 * old, 2**31, 2 ** (8 * size) - 1, chance.randrange(len(data))]
                changed[start : start + size] = (chance.choice(odd) % 2 ** (8 * size)).to_bytes(size, "little")
        return bytes(changed)

    return change


def names_swapped(data: bytes, chance: random.Random) -> bytes:
    """Swaps two names in the directory or in the members: either may be the wrong one."""
    one, other = (b"img_%d" % number for number in chance.sample(range(1, 9), 2))
    start = data.index(b"PK\1\2")
    members, directory = (
        part.replace(one, b"img_?").replace(other, one).replace(b"img_?", other)
        for part in (data[:start], data[start:])
    )
    return chance.choice([members + data[start:], data[:start] + directory])


ARCHIVE_WAYS = [
    bytes_anywhere,
    cut_or_joined,
    fields_of(b"PK\1\2", [2, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2, 2, 2, 2, 4, 4]),
    fields_of(b"PK\3\4", [2, 2, 2, 2, 2, 4, 4, 4, 2, 2]),
    fields_of(b"PK\5\6", [2, 2, 2, 2, 4, 4, 2]),
    names_swapped,
]


def header_bytes(data: bytes, chance: random.Random) -> bytes:
    size = min(len(data), chance.choice([16, 64, 200]))
    return bytes_anywhere(data[:size], chance) + data[size:]


def segments(data: bytes, chance: random.Random) -> bytes:
    """EXIF of random fields in a JPEG, or lengths of its segments."""
    if not data.startswith(b"\xff\xd8"):
        return data
    block = bytearray(tiff_block(chance.randrange(10), chance.choice(["little", "big"]), chance.randrange(14)))
    for _ in range(chance.randrange(4)):
        block[chance.randrange(len(block))] = chance.randrange(256)
    return jpeg_with(data, b"Exif\0\0" + bytes(block[: chance.choice([len(block), chance.randrange(len(block))])]))


def chunks(data: bytes, chance: random.Random) -> bytes:
    """PNG chunks with right CRCs and anything in them, in another order, twice, or gone."""
    if not data.startswith(b"\x89PNG"):
        return data
    found, at = [], 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    at = chance.randrange(len(found))
    kind, payload = found[at]
    way = chance.randrange(5)
    if way == 0 and payload:
        found[at] = (kind, bytes_anywhere(payload, chance))
    elif way == 1:
        found.insert(chance.randrange(1, len(found) + 1), (kind, payload))
    elif way == 2:
        del found[at]
    elif way == 3:
        found[at] = (kind, payload[: chance.randrange(len(payload) + 1)])
    else:
        kinds = [b"eXIf", b"tRNS", b"PLTE", b"gAMA", b"iCCP", b"pHYs", b"acTL", b"fcTL", b"fdAT", b"zTXt", b"sRGB"]
        content = chance.randbytes(chance.choice([0, 1, 3, 4, 8, 9, 26, 40]))
        found.insert(chance.randrange(1, len(found) + 1), (chance.choice(kinds), content))
    return data[:8] + b"".join(png_chunk(*chunk) for chunk in found)


FILE_WAYS = [bytes_anywhere, cut_or_joined, header_bytes, segments, chunks]


ODD_FIELDS = [
    *("", "nan", "-inf", "1e999", "1e5", "-1e5", "100001", "1e-400", "0x1f", "1_000", " 7 ", "\t-7.5\t", "+.5", "5."),
    *("\ufeff", '"', "''", "\0", "###", " ### ", "latin", "LATIN ", "Latin\u0130", "Klingon", "\u0661\u0662", "\u00b2"),
    *("9" * 5000, "\u202e\u05e9\u05dc\u05d5\u05dd", "\u0642\u0641", "e\u0301", "\U0001f600", "\ufffe"),
    *("a\u2028b", "a\u2029b", "\u0085", "a\x0bb", "\x0c", "\x1c", "\x1d\x1e", "a\rb", "\n", "\r\r\n", ",,,"),
]
BOM = b"\xef\xbb\xbf"
ODD_BYTES = [b"\xff\xfe", BOM, b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80", b"\x80"]


def spoiled_line(chance: random.Random) -> bytes:
    """A line of ground truth with some fields replaced by invalid or valid values."""
    fields = "395,92,431,88,431,117,395,121,Latin,4e, \u0642\u0641".split(",")
    for _ in range(chance.choice([0, 0, 0, 0, 0, 1, 1, 2, 4])):
        fields[chance.randrange(len(fields))] = chance.choice(ODD_FIELDS)
    line = ",".join(fields[: chance.choice([len(fields)] * 7 + [chance.randrange(len(fields))])]).encode()
    return cut_or_joined(line, chance) if chance.random() < 0.1 else line


def spoiled_ground_truth(chance: random.Random) -> bytes:
    """A file of such lines, by times with a byte order mark, and with bytes in it that are no UTF-8."""
    data = chance.choice([b"", BOM, BOM * 2])
    for _ in range(chance.randrange(6)):
        data += spoiled_line(chance) + chance.choice([b"\r\n", b"\n", b"\r", b"", b"\n\n", b" \n"])
    if data and chance.random() < 0.1:
        at = chance.randrange(len(data) + 1)
        data = data[:at] + chance.choice(ODD_BYTES) + data[at:]
    return data


def other_ground_truth(data: bytes, chance: random.Random) -> bytes:
    return data + spoiled_ground_truth(chance)


WORDS_WAYS = [bytes_anywhere, cut_or_joined, other_ground_truth]


def spoiled(folder: Path, chance: random.Random) -> dict[str, dict[str, bytes]]:
    """Writes the archives with something wrong, and returns the files in them as they were packed, by role."""
    files = {"image": dict(IMAGES), "label": dict(LABELS), "words": dict(WORDS)}
    in_a_file = chance.random() < 0.6  # of an archive that is whole
    if in_a_file:
        role = chance.choice(["image", "image", "label", "label", "words"])
        name = chance.choice(sorted(files[role]))
        files[role][name] = chance.choice(WORDS_WAYS if role == "words" else FILE_WAYS)(files[role][name], chance)
    method = chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    archives = [
        write_zip(
            folder / mlt_s.IMAGE_ARCHIVES[0], {f"{name}.jpg": file for name, file in files["image"].items()}, method
        ),
        write_zip(folder / "MLT_S_labels.zip", label_members(files["label"], {}), method),
        write_zip(
            folder / mlt_s.WORDS_ARCHIVES[0], {f"gt_{name}.txt": file for name, file in files["words"].items()}, method
        ),
    ]
    if not in_a_file:
        archive = chance.choice(archives)
        archive.write_bytes(chance.choice(ARCHIVE_WAYS)(archive.read_bytes(), chance))
    return files


# --- What must come of it ------------------------------------------------------------------------------------------


def pixels(file: bytes) -> np.ndarray | None:
    """The stored pixels as plain Pillow shows them, or None where it cannot."""
    try:
        return np.asarray(PIL.Image.open(io.BytesIO(file)).convert("RGB"))
    except Exception:  # half a dozen types
        return None


def decoded(feature: datasets.Image, file: bytes, packed: bytes, seed: int) -> PIL.Image.Image | None:
    """The picture as the library decodes it; None where its pixels are damaged, which only decoding could tell."""
    try:
        return feature.decode_example({"path": None, "bytes": file})
    except Exception:
        assert pixels(packed) is None, f"seed {seed}: a whole picture is not decoded"
        return None


def check_pair(pair: mlt_s.Pair, files: dict, seed: int) -> str:
    name = pair.image_id
    images, labels = files["image"], files["label"]
    try:
        example = mlt_s.read_example(pair, {})
    except mlt_s.MltSError:
        return "refused"
    if pair.words:
        words = mlt_s.parse_words(files["words"][name], pair.words[0])
        assert example["words"] == words, f"seed {seed}: not the words of {name}"
    image = decoded(IMAGE, example["image"]["bytes"], images[name], seed)
    label = decoded(mlt_s.LABEL_MAP, example["label"]["bytes"], labels[name], seed)
    if image is None or label is None:
        return "damaged in its pixels"
    assert (image.size, image.mode, label.mode) == (label.size, "RGB", "L"), f"seed {seed}: {image} and {label}"
    expected = pixels(images[name])
    assert expected is None or np.array_equal(np.asarray(image), expected), f"seed {seed}: not the image {name}"
    if images[name] == IMAGES[name] and labels[name] == LABELS[name]:
        assert np.array_equal(np.asarray(label), VALUES[name]), f"seed {seed}: not the label map of {name}"
    return "loaded"


def check_round(folder: Path, seed: int) -> str:
    """Loads what that seed makes and says how that ended; anything but pairs and errors of ours is raised."""
    chance = random.Random(seed)
    files = spoiled(folder, chance)
    config = chance.choice(["segmentation", "words"])
    roles = ("image", "label", "words") if config == "words" else ("image", "label")
    try:
        listing = mlt_s.list_source(str(folder), roles, {})
        pairs, _ = mlt_s.join(listing, "train", roles)
    except mlt_s.MltSError:
        return "refused"
    ends = {check_pair(pair, files, seed) for pair in pairs}
    end = next((end for end in ("damaged in its pixels", "refused") if end in ends), "loaded")
    if seed % 10 == 0:
        stream_round(folder, config, end if pairs and not listing.unplaced else "refused", len(pairs), seed)
    return end


def stream_round(folder: Path, config: str, end: str, count: int, seed: int) -> None:
    """The same by the builder, and with what the library does."""
    builder = mlt_s.MltS(
        config_name=config, data_dir=str(folder), cache_dir=str(folder / "cache"), missing_images="skip"
    )
    try:
        examples = list(builder.as_streaming_dataset(split="train"))
    except mlt_s.MltSError:
        assert end != "loaded", f"seed {seed}: the builder refuses what can be read"
    except Exception:
        if end != "damaged in its pixels":
            raise
    else:
        assert (end, len(examples)) == ("loaded", count), f"seed {seed}: {len(examples)} examples of {count}, {end}"


def rounds(seeds) -> Counter:
    """Runs these rounds in a folder of their own, quietly, each with a limit, and counts how they ended."""
    ends = Counter()

    def too_long(*_):
        raise TimeoutError(f"a round took a processor more than {LIMIT} seconds")

    # Of this process, and not of the clock: other work on the machine is none of the round's.
    before = signal.signal(signal.SIGPROF, too_long)
    try:
        with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="mlt_s_fuzz_") as folder:
            warnings.simplefilter("ignore")
            for seed in seeds:
                signal.setitimer(signal.ITIMER_PROF, LIMIT)
                try:
                    ends[check_round(Path(folder), seed)] += 1
                except BaseException as error:
                    error.args = (f"seed {seed}: {error}",)
                    raise
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return ends


@pytest.fixture(autouse=True)
def no_script_said_yet(monkeypatch):
    monkeypatch.setattr(mlt_s, "unknown_scripts", set())


def peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def test_spoiled_archives_give_right_pairs_or_our_error(monkeypatch, caplog):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", MOST_PIXELS)
    caplog.set_level("CRITICAL")
    before = peak_memory()
    ends = rounds(range(ROUNDS))
    assert min(ends["loaded"], ends["refused"]) > ROUNDS // 10, f"the rounds have lost their point: {ends}"
    assert peak_memory() - before < MEMORY


LINE_END = re.compile(rb"\r\n|\r|\n")


def check_ground_truth(data: bytes, member: mlt_s.Member, seed: int) -> str:
    """Parses the file and says how that ended; anything but words and errors of ours is raised."""
    try:
        words = mlt_s.parse_words(data, member)
    except mlt_s.MltSError as error:
        check_named_line(data, str(error), member, seed)
        return "refused"
    lines = [line for line in LINE_END.split(data) if line.decode("utf-8-sig").strip()]
    assert len(words) == len(lines), f"seed {seed}: {len(words)} words of {len(lines)} lines"
    for word, line in zip(words, lines):
        assert line.decode().split(",", 9)[9] == word["transcription"], f"seed {seed}: another transcription"
        assert word["readable"] == (word["transcription"].strip() != mlt_s.UNREADABLE), f"seed {seed}"
        assert word["script"] in range(-1, len(mlt_s.SCRIPTS)), f"seed {seed}: the script {word['script']}"
    quads = np.reshape([word["quad"] for word in words], (len(words), 4, 2))
    assert np.isfinite(quads).all() and (abs(quads) <= 100_000).all(), f"seed {seed}: {quads}"
    assert word_mask(quads, (50, 20)).shape == (20, 50)
    return "parsed"


def check_named_line(data: bytes, message: str, member: mlt_s.Member, seed: int) -> None:
    """What an error names is a line that is no word, and the first of them."""
    found = re.match(rf"{re.escape(str(member))}, line (\d+), is not a valid ground-truth line: ", message)
    assert found, f"seed {seed}: {message}"
    number, lines = int(found[1]), LINE_END.split(data)
    assert "Correct the line" in message and "saved as UTF-8" in message, f"seed {seed}: {message}"
    mlt_s.parse_words(b"\n".join(lines[: number - 1]), member)
    with pytest.raises(mlt_s.MltSError):
        mlt_s.parse_words(b"\n" + lines[number - 1], member)  # not first, where a byte order mark is no part of it


def test_spoiled_ground_truth_gives_words_or_our_error(caplog):
    caplog.set_level("CRITICAL")
    member = mlt_s.Member("/mlt/gt.zip", "gt_img_1.txt", 0, "")
    ends = Counter()
    for seed in range(5 * ROUNDS):
        ends[check_ground_truth(spoiled_ground_truth(random.Random(seed)), member, seed)] += 1
    assert min(ends["parsed"], ends["refused"]) > ROUNDS, f"the rounds have lost their point: {ends}"


def by_hand(seconds: float, first: int) -> None:
    logging.disable()
    PIL.Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    end, ends, faults = time.monotonic() + seconds, Counter(), 0
    for seed in itertools.count(first):
        try:
            ends += rounds([seed])
        except Exception as error:  # go on: one run may find several
            faults += 1
            print(f"{type(error).__name__}: {error}"[:300], flush=True)
        if time.monotonic() > end:
            break
    print(f"seeds {first} to {seed}: {dict(ends)}, {faults} faults, at most {peak_memory() >> 20} MiB")
    sys.exit(faults > 0)


if __name__ == "__main__":
    by_hand(float(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 0)
