"""MLT's word boxes, scripts and transcriptions in the same example as the label map: the configuration "words"."""

import shutil

import datasets
import numpy as np
import PIL.Image
import pytest
from archives import (
    add_words,
    assert_two_contents,
    encoded,
    failure,
    label_values,
    mlt,
    unpacked,
    words_file,
    words_line,
    words_of,
    write_pairs,
    write_zip,
)
from test_cache import prepared
from test_pixels import SHAPES, label_png, turned

import mlt_s
from mlt_s_tools import crop_word, word_mask

TRAINING_WORDS, VALIDATION_WORDS = mlt_s.WORDS_ARCHIVES
SQUARE = [(2, 3), (12, 3), (12, 9), (2, 9)]


def words_folder(folder):
    """As `mlt` makes it, with ground truth for every pair."""
    return add_words(mlt(folder), range(1, 6), range(1, 4))


def assert_words_are(words, seed):
    x, y = seed % 16, seed % 10
    assert words == [
        {
            "quad": [[x, y], [x + 7, y], [x + 7, y + 4], [x, y + 4]],
            "script": mlt_s.SCRIPTS.index("Latin"),
            "transcription": f"word, {seed}",
            "readable": True,
        },
        {
            "quad": [[x + 1, y + 1], [x + 3, y + 1], [x + 3, y + 5], [x + 1, y + 5]],
            "script": mlt_s.SCRIPTS.index("None"),
            "transcription": "###",
            "readable": False,
        },
    ]


def assert_all_words(dataset):
    for number, example in enumerate(dataset["train"], 1):
        assert example["image_id"] == f"img_{number}"
        assert np.array_equal(np.asarray(example["label"]), label_values(seed=number))
        assert_words_are(example["words"], number)
    for number, example in enumerate(dataset["validation"], 1):
        assert_words_are(example["words"], 500 + number)
    assert number == 3


# --- A user's day --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [False, True])
def test_words_come_beside_image_and_label_map(load, tmp_path, streaming):
    dataset = load(words_folder(tmp_path / "mlt"), "words", streaming=streaming)
    assert list(dataset["train"].features) == ["image_id", "image", "label", "words"]
    assert_all_words(dataset)


def test_words_are_read_in_two_processes(load_registered, tmp_path):
    assert_all_words(load_registered(words_folder(tmp_path / "mlt"), "words", num_proc=2))


def _folders(folder):
    unpacked(folder / TRAINING_WORDS)
    unpacked(folder / VALIDATION_WORDS)


def _beside_the_images(folder):
    for part, archives in (("train", sorted(folder.glob("ch8_training*"))), ("val", sorted(folder.glob("ch8_val*")))):
        for archive in archives:
            unpacked(archive, folder / part)


def _other_names(folder):
    (folder / "words").mkdir()
    (folder / TRAINING_WORDS).rename(folder / "words" / "train.ZIP")
    (folder / VALIDATION_WORDS).rename(folder / "words" / "val.zip")


def _upper_case(folder):
    unpacked(folder / VALIDATION_WORDS)
    for file in (unpacked(folder / TRAINING_WORDS)).iterdir():
        file.rename(file.with_name(file.name.upper()))


@pytest.mark.parametrize("lay_out", [_folders, _beside_the_images, _other_names, _upper_case])
def test_ground_truth_is_found_wherever_it_lies(load_registered, tmp_path, lay_out):
    folder = words_folder(tmp_path / "mlt")
    lay_out(folder)
    assert_all_words(load_registered(folder, "words"))


def test_label_maps_may_lie_elsewhere(load_registered, tmp_path):
    folder = words_folder(tmp_path / "mlt")
    shutil.move(folder / "MLT_S_labels.zip", tmp_path)
    assert_all_words(load_registered(folder, "words", label_maps=str(tmp_path / "MLT_S_labels.zip")))


def test_an_image_without_words_has_none(load_registered, tmp_path):
    folder = words_folder(tmp_path / "mlt")
    write_zip(folder / VALIDATION_WORDS, {f"gt_img_{n}.txt": b"" for n in (1, 2, 3)})
    assert [example["words"] for example in load_registered(folder, "words", split="validation")] == [[], [], []]


def test_other_configurations_do_not_look_into_ground_truth(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    (folder / TRAINING_WORDS).write_bytes(b"half a download")
    assert len(load_registered(folder)["train"]) == 5
    assert f"{folder / TRAINING_WORDS} (15 bytes) is not a zip archive" in str(
        failure(lambda: load_registered(folder, "words"))
    )


def test_words_written_to_parquet_are_read_back(load_registered, tmp_path):
    dataset = load_registered(words_folder(tmp_path / "mlt"), "words", split="train")
    dataset.to_parquet(str(tmp_path / "train.parquet"))
    plain = datasets.Dataset.from_parquet(str(tmp_path / "train.parquet"), cache_dir=str(tmp_path / "parquet"))
    assert plain["words"] == dataset["words"]
    assert plain.features["words"] == dataset.features["words"]


def test_quads_as_arrays(load_registered, tmp_path):
    example = load_registered(words_folder(tmp_path / "mlt"), "words", split="train").with_format("numpy")[0]
    assert np.array_equal(np.array([word["quad"] for word in example["words"]]).shape, (2, 4, 2))


@pytest.mark.parametrize("shape", SHAPES)
def test_words_label_map_and_image_are_in_the_frame_of_the_stored_pixels(load_registered, tmp_path, shape):
    """A bright word on dark ground, in every orientation, with the label map in the stored or in the turned frame."""
    width, height = SHAPES[shape]
    text = word_mask([SQUARE], (width, height))
    image = PIL.Image.fromarray(np.repeat(np.where(text, 250, 5).astype(np.uint8)[:, :, None], 3, axis=2))
    pairs = {}
    for n in range(1, 9):
        picture = encoded(image, "PNG", orientation=n)
        pairs[f"img_{n}.png"] = (picture, label_png(text.astype(np.uint8)))
        if n >= 5 and width != height:
            pairs[f"img_{10 + n}.png"] = (picture, label_png(turned(text.astype(np.uint8), n)))
    folder = write_pairs(tmp_path / "mlt", pairs)
    members = {f"gt_{name[:-4]}.txt": words_file(words_line(SQUARE)) for name in pairs}
    write_zip(folder / TRAINING_WORDS, members)
    dataset = load_registered(folder, "words", split="train")
    assert len(dataset) == len(pairs)
    for example in dataset:
        inside = word_mask([word["quad"] for word in example["words"]], example["image"].size)
        assert np.array_equal(np.asarray(example["image"])[:, :, 0] > 128, inside), example["image_id"]
        assert np.array_equal(np.asarray(example["label"]) == 1, inside), example["image_id"]


# --- Ground truth that is not there --------------------------------------------------------------------------------


def test_no_ground_truth_is_an_error_with_the_way_to_it(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    with pytest.raises(mlt_s.MltSError) as raised:
        load_registered(folder, "words")
    assert str(raised.value) == (
        f"There is no ground truth of MLT in {folder}. Fetch {TRAINING_WORDS} and {VALIDATION_WORDS} from "
        f'{mlt_s.IMAGES_URL} and put them there too; or load "segmentation", which needs none.'
    )


def test_without_images_the_way_to_all_of_it_is_told(load_registered, tmp_path):
    folder = words_folder(tmp_path / "mlt")
    for archive in folder.glob("ch8_*_images*"):
        archive.unlink()
    text = str(failure(lambda: load_registered(folder, "words")))
    assert text.startswith(f"There are no images of MLT in {folder}.\nRegister at {mlt_s.IMAGES_URL}")
    assert f"ch8_validation_images.zip, {TRAINING_WORDS} and {VALIDATION_WORDS}, and put them" in text


def test_archives_that_are_there_and_not_whole(load_registered, tmp_path):
    folder = words_folder(tmp_path / "mlt")
    write_zip(folder / TRAINING_WORDS, {f"gt_img_{n}.txt": words_file(*words_of(n)) for n in (1, 2, 3, 4)})
    text = str(failure(lambda: load_registered(folder, "words")))
    assert "Not found, of MLT's two archives of ground truth: none, so one is not whole.\n" in text


def test_missing_ground_truth_is_an_error_that_says_which(load_registered, tmp_path):
    folder = words_folder(tmp_path / "mlt")
    write_zip(folder / TRAINING_WORDS, {f"gt_img_{n}.txt": words_file(*words_of(n)) for n in (1, 3)})
    (folder / VALIDATION_WORDS).unlink()
    with pytest.raises(mlt_s.MltSError) as raised:
        load_registered(folder, "words")
    assert str(raised.value).splitlines() == [
        "3 images of the train split without ground truth: img_2, img_4, img_5.",
        "3 images of the validation split without ground truth: img_1, img_2, img_3.",
        f"Searched {folder}.",
        f"Found: {TRAINING_WORDS} (2 ground truth files).",
        f"Not found, of MLT's two archives of ground truth: {VALIDATION_WORDS}.",
        f"Fetch what is missing from {mlt_s.IMAGES_URL}, or load the pairs that are there:",
        f'    load_dataset("mlt_s", "words", data_dir="{folder}", missing_images="skip")',
    ]


def test_skipping_leaves_out_what_has_no_ground_truth_or_no_image_and_says_so(load_registered, tmp_path, caplog):
    folder = words_folder(tmp_path / "mlt")
    write_zip(folder / TRAINING_WORDS, {f"gt_img_{n}.txt": words_file(*words_of(n)) for n in (1, 3, 5)})
    (folder / "ch8_training_images_2.zip").unlink()  # img_4 and img_5
    dataset = load_registered(folder, "words", missing_images="skip")
    assert dataset["train"]["image_id"] == ["img_1", "img_3"]
    assert "1 image of the train split without ground truth, skipped: img_2." in caplog.text
    assert "2 label maps of the train split without an image, skipped: img_4, img_5." in caplog.text


def test_ground_truth_of_no_known_split(load_registered, tmp_path, caplog):
    folder = words_folder(tmp_path / "mlt")
    write_zip(folder / "gt.zip", {"gt_img_9.txt": b""})
    load_registered(folder, "words")
    assert f"Left out 1 ground truth file of no known split: {folder / 'gt.zip'}, member gt_img_9.txt." in caplog.text
    (folder / TRAINING_WORDS).unlink()
    (folder / VALIDATION_WORDS).unlink()
    text = str(failure(lambda: load_registered(folder, "words")))
    assert text.startswith("Cannot tell the split of 1 ground truth file: ")


def test_two_ground_truths_of_one_image_are_refused(load_registered, tmp_path):
    folder = words_folder(tmp_path / "mlt")
    write_zip(folder / "training.zip", {"gt_img_2.txt": words_file(words_line(SQUARE))})
    text = str(failure(lambda: load_registered(folder, "words")))
    assert_two_contents(
        text,
        f"{folder / TRAINING_WORDS}, member gt_img_2.txt",
        f"{folder / 'training.zip'}, member gt_img_2.txt",
    )


def test_the_cache_knows_the_ground_truth(load_registered, tmp_path):
    folder = words_folder(tmp_path / "mlt")
    load_registered(folder, "words")
    before = prepared(load_registered)
    load_registered(folder, "words")
    assert prepared(load_registered) == before
    write_zip(folder / VALIDATION_WORDS, {f"gt_img_{n}.txt": words_file(words_line(SQUARE)) for n in (1, 2, 3)})
    again = load_registered(folder, "words", split="validation")
    assert again[0]["words"][0]["quad"] == [[2, 3], [12, 3], [12, 9], [2, 9]]


# --- Line by line: what is tolerated, and what is an error ---------------------------------------------------------

PLACE = "395,92,431,88,431,117,395,121"
QUAD = [[395, 92], [431, 88], [431, 117], [395, 121]]
MEMBER = mlt_s.Member("/mlt/gt.zip", "gt_img_1.txt", 0, "")
LATIN = mlt_s.SCRIPTS.index("Latin")


def parsed(content):
    return mlt_s.parse_words(content if isinstance(content, bytes) else content.encode(), MEMBER)


def read(content):
    """Quad, script, transcription and readable of each word."""
    return [tuple(word.values()) for word in parsed(content)]


TOLERATED = {
    "a byte order mark": (f"\ufeff{PLACE},Latin,a", [(QUAD, LATIN, "a", True)]),
    "Windows line ends": (f"{PLACE},Latin,a\r\n{PLACE},Latin,b\r\n", [(QUAD, LATIN, text, True) for text in "ab"]),
    "line ends of a Mac": (f"{PLACE},Latin,a\r{PLACE},Latin,b", [(QUAD, LATIN, text, True) for text in "ab"]),
    "no line end at the end": (f"{PLACE},Latin,a", [(QUAD, LATIN, "a", True)]),
    "blank lines": (f"\n \t\n{PLACE},Latin,a\n\n  \n", [(QUAD, LATIN, "a", True)]),
    "no line": ("", []),
    "nothing but a mark": ("\ufeff\r\n", []),
    "spaces around numbers and script": (" 395, 92,431 ,88,431,117,395,121\t, Latin ,a", [(QUAD, LATIN, "a", True)]),
    "commas": (f"{PLACE},Latin,1,000,000,", [(QUAD, LATIN, "1,000,000,", True)]),
    "quotes": (f'{PLACE},Latin,"a", \'b\'', [(QUAD, LATIN, "\"a\", 'b'", True)]),
    "spaces of the transcription": (f"{PLACE},Latin,  a b  ", [(QUAD, LATIN, "  a b  ", True)]),
    "no letters": (f"{PLACE},Latin,", [(QUAD, LATIN, "", True)]),
    "unreadable": (f"{PLACE},Latin,###", [(QUAD, LATIN, "###", False)]),
    "unreadable with a space": (f"{PLACE},Latin,### ", [(QUAD, LATIN, "### ", False)]),
    "more than three signs": (f"{PLACE},Symbols,####", [(QUAD, mlt_s.SCRIPTS.index("Symbols"), "####", True)]),
    "decimals": (
        "0.5,-1.25,+3,.5,4.,5e0,6E+0,7e-1,Latin,a", [([[0.5, -1.25], [3, 0.5], [4, 5], [6, 0.7]], LATIN, "a", True)],
    ),
    "outside the image": (
        "-9,-9,99999,-9,99999,100000,-9,-100000,Latin,a",
        [([[-9, -9], [99999, -9], [99999, 100000], [-9, -100000]], LATIN, "a", True)],
    ),
    "folded over": ("0,0,9,9,9,0,0,9,Latin,a", [([[0, 0], [9, 9], [9, 0], [0, 9]], LATIN, "a", True)]),
    "no area": ("5,5,5,5,5,5,5,5,Latin,a", [([[5, 5]] * 4, LATIN, "a", True)]),
    "another case": (f"{PLACE},laTIN,a", [(QUAD, LATIN, "a", True)]),
    "every script": (
        "\n".join(f"{PLACE},{script},a" for script in mlt_s.SCRIPTS),
        [(QUAD, value, "a", True) for value in range(9)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", TOLERATED)
def test_what_a_line_may_hold(kind):
    content, words = TOLERATED[kind]
    assert read(content) == words


@pytest.mark.parametrize(
    "transcription",
    [
        "مرحبا بالعالم",
        "\u200fقف\u200e 5",
        "ক্ষুধা",
        "한글",  # syllables
        "한글",  # and the letters of which Unicode composes the same
        "é e\u0301 ﬁ Ａ",
        "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei",  # at which str.splitlines would cut
        "a\tb\0c",
        "\u00a0",
        "𝄞😀",
    ],
)
def test_a_transcription_is_what_the_file_says(transcription):
    assert read(f"{PLACE},Mixed,{transcription}\n{PLACE},Mixed,next") == [
        (QUAD, mlt_s.SCRIPTS.index("Mixed"), transcription, True),
        (QUAD, mlt_s.SCRIPTS.index("Mixed"), "next", True),
    ]


CORRECT = (
    "Expected is x1,y1,x2,y2,x3,y3,x4,y4,script,transcription, saved as UTF-8. Correct the line in the unpacked "
    'archive, and take the archive away; or load "segmentation", which needs no ground truth.'
)
REFUSED = {
    "too few fields": (f"{PLACE},Latin", 1, f"it has 9 fields, not 10: '{PLACE},Latin'"),
    "one field": ("word", 1, "it has 1 field, not 10: 'word'"),
    "a line of another file": (f"{PLACE},Latin,a\r\n\r\n{PLACE}", 3, f"it has 8 fields, not 10: '{PLACE}'"),
    "a corner in letters": ("a,2,3,4,5,6,7,8,Latin,b", 1, "'a' is not a number of pixels: 'a,2,3,4,5,6,7,8,Latin,b'"),
    "no number": (",2,3,4,5,6,7,8,Latin,b", 1, "'' is not a number of pixels: ',2,3,4,5,6,7,8,Latin,b'"),
    "not a number": ("nan,2,3,4,5,6,7,8,Latin,b", 1, "'nan' is not a number of pixels: 'nan,2,3,4,5,6,7,8,Latin,b'"),
    "infinity": ("1,-inf,3,4,5,6,7,8,Latin,b", 1, "'-inf' is not a number of pixels: '1,-inf,3,4,5,6,7,8,Latin,b'"),
    "a line in it": ("1_0,2,3,4,5,6,7,8,Latin,b", 1, "'1_0' is not a number of pixels: '1_0,2,3,4,5,6,7,8,Latin,b'"),
    "other digits": ("٣,2,3,4,5,6,7,8,Latin,b", 1, "'٣' is not a number of pixels: '٣,2,3,4,5,6,7,8,Latin,b'"),
    "too far": (
        "1,2,3,100001,5,6,7,8,Latin,b", 1,
        "a corner at 100001 is farther away than any image is large: '1,2,3,100001,5,6,7,8,Latin,b'",
    ),
    "much too far": (
        "1e999,2,3,4,5,6,7,8,Latin,b", 1,
        "a corner at 1e999 is farther away than any image is large: '1e999,2,3,4,5,6,7,8,Latin,b'",
    ),
    "a mark in the middle": (
        f"{PLACE},Latin,a\n\ufeff{PLACE},Latin,b", 2,
        f"'\\ufeff395' is not a number of pixels: '\\ufeff{PLACE},Latin,b'",
    ),
    "not UTF-8": (
        f"{PLACE},Latin,a\r\n{PLACE},Latin,".encode() + b"caf\xe9 1", 2,
        f"it is not UTF-8, from b'\\xe9 1' on: '{PLACE},Latin,caf\\udce9 1'",
    ),
    "not UTF-8 after a mark": (
        b"\xef\xbb\xbf" + f"{PLACE},Latin,a\r\n".encode() + b"\xff", 2,
        "it is not UTF-8, from b'\\xff' on: '\\udcff'",
    ),
    "UTF-16": ("a".encode("utf-16"), 1, f"it is not UTF-8, from {'a'.encode('utf-16')!r} on: '\\udcff\\udcfea\\x00'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_word_is_refused_by_file_and_line(kind):
    content, number, reason = REFUSED[kind]
    with pytest.raises(mlt_s.MltSError) as raised:
        parsed(content)
    place = f"/mlt/gt.zip, member gt_img_1.txt, line {number}"
    assert str(raised.value) == f"{place}, is not a valid ground-truth line: {reason}. {CORRECT}"


def test_a_broken_line_of_a_loose_file_needs_no_unpacking():
    with pytest.raises(mlt_s.MltSError) as raised:
        mlt_s.parse_words(b"1,2", mlt_s.Member("/mlt/gt_img_1.txt", None, 3, ""))
    assert ". Correct the line; or load" in str(raised.value)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_broken_line_stops_the_loading_by_archive_and_member(load, tmp_path, streaming):
    folder = words_folder(tmp_path / "mlt")
    write_zip(folder / VALIDATION_WORDS, {f"gt_img_{n}.txt": words_file(words_line(SQUARE), "1,2") for n in (1, 2, 3)})
    text = str(failure(lambda: list(load(folder, "words", split="validation", streaming=streaming))))
    place = f"{folder / VALIDATION_WORDS}, member gt_img_1.txt, line 2"
    assert text.startswith(f"{place}, is not a valid ground-truth line: ")


def test_an_unknown_script_is_said_once_and_loads(load_registered, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(mlt_s, "unknown_scripts", set())
    folder = words_folder(tmp_path / "mlt")
    lines = [words_line(SQUARE, "Klingon", "nuqneH"), words_line(SQUARE, "Klingon", "Qapla'"), words_line(SQUARE, "")]
    write_zip(folder / VALIDATION_WORDS, {f"gt_img_{n}.txt": words_file(*lines) for n in (1, 2, 3)})
    dataset = load_registered(folder, "words", split="validation")
    assert [[word["script"] for word in example["words"]] for example in dataset] == [[-1, -1, -1]] * 3
    place = f"{folder / VALIDATION_WORDS}, member gt_img_1.txt"
    said = [record.getMessage() for record in caplog.records if "script" in record.getMessage()]
    assert said == [
        f"{place} has words of the script 'Klingon', which MLT does not have: it is -1 here.",
        f"{place} has words of the script '', which MLT does not have: it is -1 here.",
    ]


# --- What to do with words -----------------------------------------------------------------------------------------


def test_a_word_mask_has_the_border_of_each_quad_in_it():
    mask = word_mask([[(1, 1), (3, 1), (3, 2), (1, 2)], [(5, 0), (6, 0), (6, 3), (5, 3)]], (8, 4))
    assert mask.dtype == bool
    assert mask.astype(int).tolist() == [
        [0, 0, 0, 0, 0, 1, 1, 0],
        [0, 1, 1, 1, 0, 1, 1, 0],
        [0, 1, 1, 1, 0, 1, 1, 0],
        [0, 0, 0, 0, 0, 1, 1, 0],
    ]


def test_a_word_mask_follows_the_quad_and_not_its_rectangle():
    mask = word_mask([[(4, 0), (8, 4), (4, 8), (0, 4)]], (9, 9))
    rows, columns = np.indices((9, 9))
    assert np.array_equal(mask, abs(rows - 4) + abs(columns - 4) <= 4)


@pytest.mark.parametrize(
    "quad, pixels",
    [
        ([(2, 2)] * 4, {(2, 2)}),  # no area
        ([(1, 1), (3, 1), (3, 1), (1, 1)], {(1, 1), (1, 2), (1, 3)}),  # a line
        ([(-9, -9), (0, -9), (0, 0), (-9, 0)], {(0, 0)}),  # partly outside
        ([(-9, -9), (-2, -9), (-2, -2), (-9, -2)], set()),  # altogether
        ([(-1e5, -1e5), (1e5, -1e5), (1e5, 0), (-1e5, 0)], {(0, column) for column in range(6)}),
    ],
)
def test_a_word_mask_of_odd_quads(quad, pixels):
    assert {tuple(place) for place in np.argwhere(word_mask([quad], (6, 5))).tolist()} == pixels


def test_a_folded_quad_counts_with_both_halves():
    mask = word_mask([[(0, 0), (8, 8), (8, 0), (0, 8)]], (9, 9))
    assert mask[4, [0, 1, 7, 8]].all() and not mask[[0, 8], 4].any()


def test_no_words_are_no_pixels():
    assert not word_mask([], (3, 2)).any() and word_mask([], (3, 2)).shape == (2, 3)
    assert word_mask(np.array([SQUARE], float), (24, 16)).sum() == 11 * 7  # an array will do


def an_example(label=True):
    values = np.arange(16 * 24, dtype=np.uint8).reshape(16, 24)
    image = PIL.Image.fromarray(np.repeat(values[:, :, None], 3, axis=2))
    return {"image_id": "img_1", "image": image, "label": PIL.Image.fromarray(values) if label else None}


WORD = {"quad": [[2.5, 3], [12, 3.5], [12, 9], [2, 9.2]], "script": 1, "transcription": "a", "readable": True}


def test_a_word_is_cut_out_with_its_label_map():
    example = an_example()
    crop = crop_word(example, WORD)
    assert np.array_equal(np.asarray(crop["label"]), np.asarray(example["label"])[3:11, 2:13])
    assert np.array_equal(np.asarray(crop["image"]), np.asarray(example["image"])[3:11, 2:13])
    assert crop["quad"] == [[0.5, 0], [10, 0.5], [10, 6], [0, pytest.approx(6.2)]]
    assert (crop["script"], crop["transcription"], crop["readable"]) == (1, "a", True)
    assert WORD["quad"][0] == [2.5, 3]  # its own


def test_context_around_a_word_ends_with_the_image():
    example = an_example()
    crop = crop_word(example, WORD, margin=4)
    assert np.array_equal(np.asarray(crop["label"]), np.asarray(example["label"])[0:15, 0:17])
    assert crop["quad"][2] == [12, 9]


def test_a_word_of_an_unlabelled_image():
    crop = crop_word(an_example(label=False), WORD)
    assert crop["label"] is None and crop["image"].size == (11, 8)


def test_a_word_outside_its_image_cannot_be_cut_out():
    word = {**WORD, "quad": [[30, 1], [40, 1], [40, 9], [30, 9]]}
    with pytest.raises(ValueError, match=r"lies outside its image, which is 24 x 16\.$"):
        crop_word(an_example(), word)
