"""`mlt-s compare`: where two sets of label maps agree, what is uncertain in one of them, and which images differ."""

import json

import numpy as np
import PIL.Image
import pytest
from archives import (
    add_words,
    encoded,
    image_file,
    label_file,
    label_members,
    label_values,
    mlt,
    words_file,
    words_line,
    write_zip,
)

import mlt_s
from mlt_s_tools.cli import main
from mlt_s_tools.looking.choose import Source
from mlt_s_tools.metrics import TextMetrics
from mlt_s_tools.words import word_mask

pytestmark = pytest.mark.once

TRAIN, VALIDATION = range(1, 8), (1, 2, 3)
CLASSES = {"background": 0, "text": 1, "uncertain": 255}


def a_of(seed):
    return label_values(seed=seed)


def b_of(seed):
    """Another label map of the same image, which differs in a fifth of the pixels."""
    chance = np.random.default_rng(seed + 99)
    return np.where(chance.random((16, 24)) < 0.2, chance.choice([0, 1, 255], (16, 24)), a_of(seed)).astype(np.uint8)


def png(values):
    return encoded(PIL.Image.fromarray(np.uint8(values)), "PNG")


def write_maps(path, of, train=TRAIN, validation=VALIDATION):
    return write_zip(
        path,
        label_members({f"img_{n}": png(of(n)) for n in train}, {f"img_{n}": png(of(500 + n)) for n in validation}),
    )


@pytest.fixture
def a(tmp_path):
    return write_maps(tmp_path / "a.zip", a_of)


@pytest.fixture
def b(tmp_path):
    return write_maps(tmp_path / "b.zip", b_of)


@pytest.fixture
def images(tmp_path):
    folder = mlt(tmp_path / "mlt", train=len(TRAIN), validation=len(VALIDATION))
    (folder / "MLT_S_labels.zip").unlink()
    return add_words(folder, TRAIN, VALIDATION)


@pytest.fixture
def run(tmp_path, capsys):
    """Compares and returns the status, what was printed, what went to stderr, and what the report says of splits."""

    def run(*words):
        report = tmp_path / "report.json"
        report.unlink(missing_ok=True)
        status = main(["compare", *map(str, words), "--json", str(report)])
        said = capsys.readouterr()
        return status, said.out, said.err, json.loads(report.read_text())["splits"] if report.exists() else None

    return run


def pixels_of(pairs):
    """Pixels by class in A and in B, of pairs of label maps."""
    return {
        one: {
            other: sum(int(np.sum((a == value) & (b == other_value))) for a, b in pairs)
            for other, other_value in CLASSES.items()
        }
        for one, value in CLASSES.items()
    }


def agreement(pairs):
    """The figures where both are sure, A as a prediction of B."""
    metrics = TextMetrics()
    for a, b in pairs:
        metrics.add(a == 1, np.where(a == 255, 255, b))
    return metrics.compute()


def test_pixels_by_class_and_agreement_where_both_are_sure(a, b, run):
    status, said, _, splits = run(a, b)
    assert status == 0 and list(splits) == ["train", "validation"]
    for split, numbers, offset in (("train", TRAIN, 0), ("validation", VALIDATION, 500)):
        pairs = [(a_of(offset + n), b_of(offset + n)) for n in numbers]
        expected, found = agreement(pairs), splits[split]
        assert found["pixels"] == pixels_of(pairs)
        assert (found["images"], found["fgiou"]) == (len(numbers), expected["fgiou"])
        assert found["alike"] == expected["pixel_accuracy"]
        assert (found["only_in_a"], found["only_in_b"], found["refused"]) == ([], [], {})
        uncertain = found["pixels"]["uncertain"]
        share = 100 * uncertain["text"] / sum(uncertain.values())
        assert f"Uncertain in A, {sum(uncertain.values()):,} pixels: in B " in said and f"{share:.1f} % text" in said
    expected = agreement([(a_of(n), b_of(n)) for n in TRAIN])
    assert splits["train"]["interval"] == [expected["fgiou_lower"], expected["fgiou_upper"]]
    assert splits["validation"]["interval"] is None  # of three images

    assert [splits[name]["counting"] for name in splits] == [7, 3]
    of_train, of_validation = (line for line in said.splitlines() if "Where both are sure" in line)
    assert "no interval" not in of_train and "no interval: 3 images count, 6 are needed" in of_validation


def test_the_other_way_round_agreement_is_the_same_and_pixels_are_turned(a, b, run):
    one, other = run(a, b)[3]["train"], run(b, a)[3]["train"]
    assert (one["fgiou"], one["alike"]) == (other["fgiou"], other["alike"])
    assert one["pixels"] == {of: {to: other["pixels"][to][of] for to in CLASSES} for of in CLASSES}


def test_a_set_against_itself_differs_nowhere(a, run, tmp_path):
    status, said, _, splits = run(a, a, "--worst", 3, "--out", tmp_path / "differ.png")
    assert (status, splits["train"]["fgiou"], splits["train"]["alike"]) == (0, 1, 1)
    assert "No image differs where both are sure" in said and not (tmp_path / "differ.png").exists()


def test_the_label_maps_in_the_folder_of_the_images_may_be_one_of_the_two(b, run, tmp_path):
    folder = mlt(tmp_path / "mlt", train=len(TRAIN), validation=len(VALIDATION))
    given = run(folder / "MLT_S_labels.zip", b, folder)
    assert given[0] == 0 and given[3]["train"]["images"] == len(TRAIN)
    assert run(folder, b, f"{folder}/")[3] == given[3]


def test_one_split_may_be_asked_for(a, b, run):
    assert list(run(a, b, "--split", "validation")[3]) == ["validation"]


def test_label_maps_of_one_set_alone_are_named(a, run, tmp_path):
    few = write_maps(tmp_path / "few.zip", b_of, train=(1, 2, 3, 9), validation=())
    status, said, _, splits = run(a, few)
    assert status == 1 and splits["train"]["images"] == 3
    assert splits["train"]["only_in_a"] == ["img_4", "img_5", "img_6", "img_7"]
    assert splits["train"]["only_in_b"] == ["img_9"]
    assert (splits["validation"]["images"], splits["validation"]["only_in_a"]) == (0, ["img_1", "img_2", "img_3"])
    assert (splits["validation"]["fgiou"], splits["validation"]["alike"]) == (None, None)
    said = said.split("fgIoU")[0]  # above the figures
    assert "Only in A, 4 label maps: img_4, img_5, img_6, img_7." in said and "Only in B, 1 label map: img_9." in said


def test_label_maps_of_another_size_are_not_compared(a, run, tmp_path):
    other = write_maps(tmp_path / "other.zip", lambda seed: np.zeros((8, 12)) if seed == 2 else b_of(seed))
    status, said, _, splits = run(a, other)
    assert status == 1 and splits["train"]["images"] == 6
    assert list(splits["train"]["refused"]) == ["img_2"] and "24 x 16 and 12 x 8" in splits["train"]["refused"]["img_2"]
    assert splits["train"]["pixels"] == pixels_of([(a_of(n), b_of(n)) for n in TRAIN if n != 2])
    assert "Not compared: img_2" in said


@pytest.mark.parametrize("turned", [False, True])
def test_a_label_map_of_another_size_than_its_image_is_not_compared(a, images, run, tmp_path, turned):
    """Its sides are those of its image swapped. That is right if a tag turns the image, and a wrong size otherwise."""
    write_zip(images / "ch8_training_images_1.zip", {"img_1.jpg": image_file(1, orientation=6 if turned else None)})
    for other in images.glob("ch8_training_images_[2-9].zip"):
        other.unlink()
    write_zip(images / "ch8_training_images_2.zip", {f"img_{n}.jpg": image_file(n) for n in TRAIN[1:]})
    other = write_maps(tmp_path / "other.zip", lambda seed: b_of(seed).T if seed in (1, 2) else b_of(seed))
    status, said, _, splits = run(a, other, images, "--worst", 2, "--out", tmp_path / "differ.png")
    left_out = [2] if turned else [1, 2]
    assert status == 1 and list(splits["train"]["refused"]) == [f"img_{n}" for n in left_out]
    reason = splits["train"]["refused"]["img_2"]
    assert all(fact in reason for fact in (f"{other}, member", "img_2.png is 16 x 24", "img_2.jpg is 24 x 16"))
    assert f"Not compared: {reason}\n" in said.split("fgIoU")[0]
    assert splits["train"]["images"] == 7 - len(left_out) and splits["validation"]["images"] == 3
    if not turned:
        assert splits["train"]["pixels"] == pixels_of([(a_of(n), b_of(n)) for n in TRAIN[2:]])


def test_one_that_is_damaged_is_an_error_all_the_same(a, images, run, tmp_path):
    other = write_zip(tmp_path / "other.zip", label_members({"img_2": png(b_of(2))[:-40]}, {}))
    status, _, error, splits = run(a, other, images)
    assert (status, splits) == (2, None) and f"{other}, member MLT_S_labels/training_labels/img_2.png" in error


def test_masks_of_0_and_255_are_read_as_said(a, run, tmp_path):
    masks = write_maps(tmp_path / "masks.zip", lambda seed: (b_of(seed) == 1) * 255)
    status, _, error, _ = run(a, masks)
    assert status == 2 and "text_value=255" in error
    status, _, _, splits = run(a, masks, "--text-values", 1, 255)
    assert status == 0
    assert splits["train"]["pixels"] == pixels_of([(a_of(n), np.uint8(b_of(n) == 1)) for n in TRAIN])


def test_label_maps_lie_in_the_frames_of_their_images(run, tmp_path):
    """The image is stored 24 x 16 with a tag that turns it; A has it turned, B as it is stored."""
    write_zip(tmp_path / "mlt/ch8_training_images_1.zip", {"img_1.jpg": image_file(1, orientation=6)})
    turned = PIL.Image.fromarray(a_of(1)).transpose(PIL.Image.Transpose.ROTATE_270)
    a = write_zip(tmp_path / "a.zip", label_members({"img_1": encoded(turned, "PNG")}, {}))
    b = write_zip(tmp_path / "b.zip", label_members({"img_1": label_file(1)}, {}))
    status, _, _, splits = run(a, b, tmp_path / "mlt")
    assert (status, splits["train"]["alike"]) == (0, 1)
    assert run(a, b)[0] == 2  # without the image, they are of two sizes, and nothing is left to compare


def test_by_script_and_height_it_is_within_words(a, b, images, run):
    _, said, _, splits = run(a, b, images, "--by", "script", "height")
    source = Source(str(images), str(a), "train")
    for script, found in splits["train"]["by_script"].items():
        pairs, words = [], 0
        for choice, n in zip(source.choices, TRAIN):
            quads = [word["quad"] for word in source.read_words(choice) if mlt_s.SCRIPTS[word["script"]] == script]
            inside = word_mask(quads, (24, 16))
            pairs.append((a_of(n)[inside][None], b_of(n)[inside][None]))
            words += len(quads)
        assert (found["pixels"], found["words"]) == (pixels_of(pairs), words)
        assert found["fgiou"] == agreement(pairs)["fgiou"]
        assert f"\n  {script}, {words} words: fgIoU {100 * found['fgiou']:.2f} %" in said
    assert set(splits["train"]["by_script"]) == {"Latin", "None"} and set(splits["train"]["by_height"]) == {"small"}
    assert splits["train"]["without_words"] == []


def test_heights_are_said_with_their_bounds(images, run, tmp_path):
    """One word of each height in an image of 200 x 100."""
    sides = {"small (below 16 pixels)": 10, "medium (16 to 48)": 30, "large (from 48 on)": 60}
    words = [
        words_line([[x, 0], [x + 60, 0], [x + 60, side], [x, side]]) for x, side in zip((0, 65, 130), sides.values())
    ]
    for archive in images.glob("*.zip"):
        archive.unlink()
    write_zip(images / "ch8_training_images_1.zip", {"img_1.jpg": image_file(1, width=200, height=100)})
    write_zip(images / mlt_s.WORDS_ARCHIVES[0], {"gt_img_1.txt": words_file(*words)})
    maps = write_zip(tmp_path / "c.zip", label_members({"img_1": label_file(1, 200, 100)}, {}))
    status, said, _, splits = run(maps, maps, images, "--by", "height")
    assert status == 0 and set(splits["train"]["by_height"]) == {"small", "medium", "large"}
    for named in sides:
        assert f"\n  {named}, 1 word: fgIoU" in said


def test_words_that_are_uncertain_throughout_are_said_to_be(images, run, tmp_path):
    corner = np.indices((16, 24)).max(0) < 16  # where all words are
    a, b = (write_maps(tmp_path / f"{name}.zip", lambda seed: np.where(corner, 255, a_of(seed))) for name in "ab")
    _, said, _, splits = run(a, b, images, "--by", "script", "--split", "train")
    latin = splits["train"]["by_script"]["Latin"]
    assert (latin["fgiou"], latin["alike"], latin["interval"]) == (None, None, None) and latin["words"] == 7
    assert "Latin, 7 words: no pixel is sure in both" in said


def test_images_without_words_are_named(a, b, images, run):
    add_words(images, TRAIN[2:], VALIDATION)
    _, said, _, splits = run(a, b, images, "--by", "script")
    assert splits["train"]["without_words"] == ["img_1", "img_2"] and splits["train"]["images"] == 7
    assert "No ground truth for 2 images: img_1, img_2." in said


# --- The sheet -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_images", [True, False])
def test_the_images_that_differ_most_are_drawn_in_their_order(a, images, run, tmp_path, monkeypatch, with_images):
    rows = []
    draw = "mlt_s_tools.evaluation.compare.preview.sheet_of"
    monkeypatch.setattr(draw, lambda given, *more: rows.extend(given) or PIL.Image.new("L", (1, 1)))
    b = write_maps(tmp_path / "b.zip", lambda seed: b_of(seed) if seed in (3, 502) else a_of(seed))
    words = [images] if with_images else []
    _, said, _, _ = run(a, b, *words, "--worst", 9, "--out", tmp_path / "differ.png")
    both = {("train", 3): 3, ("validation", 2): 502}
    ious = {at: agreement([(a_of(seed), b_of(seed))])["fgiou"] for at, seed in both.items()}
    expected = sorted(ious, key=ious.get)
    assert [row[0].split()[:2] for row in rows] == [[split, f"img_{n}"] for split, n in expected]
    assert [f"IoU {100 * ious[at]:.1f} %" in row[0] for at, row in zip(expected, rows)] == [True, True]
    assert f"The 2 images that differ most: {tmp_path / 'differ.png'}" in said


@pytest.mark.parametrize("with_images", [True, False])
def test_the_sheet_shows_where_they_differ(run, tmp_path, with_images):
    height, width = 192, 256  # of a panel, so that no pixel is resized
    maps = np.zeros((2, height, width), np.uint8)
    maps[0, 20:40, 20:60] = maps[1, 20:40, 40:80] = 1
    maps[:, 100:120, 20:60] = 255
    a, b = (write_zip(tmp_path / f"{at}.zip", label_members({"img_1": png(maps[at])}, {})) for at in (0, 1))
    words = []
    if with_images:
        grey = encoded(PIL.Image.new("RGB", (width, height), (77, 88, 99)), "PNG")
        words = [write_zip(tmp_path / "mlt" / "ch8_training_images_1.zip", {"img_1.png": grey}).parent]
    assert run(a, b, *words, "--worst", 1, "--out", tmp_path / "differ.png")[0] == 0
    sheet = np.asarray(PIL.Image.open(tmp_path / "differ.png"))

    def count_of(*color):
        return int((sheet == color).all(axis=2).sum())

    swatch = 17**2
    assert count_of(150, 150, 150) - swatch == count_of(255, 40, 160) - swatch == count_of(0, 190, 255) - swatch == 400
    assert count_of(255, 0, 0) - swatch == 2 * 800 and count_of(255, 222, 0) - swatch == 2 * 800
    assert count_of(77, 88, 99) == (width * height if with_images else 0)


@pytest.mark.parametrize("option", ["--json", "--out"])
def test_a_file_is_replaced_only_if_it_is_from_here(a, b, tmp_path, capsys, option):
    path = tmp_path / "mine"
    path.write_bytes(b'{"splits": "mine"}')
    words = ["compare", str(a), str(b), *(["--worst", "1"] if option == "--out" else []), option, str(path)]
    assert main(words) == 2 and path.read_bytes() == b'{"splits": "mine"}'
    path.unlink()
    assert [main(words), main(words)] == [0, 0]


# --- What keeps it from working ------------------------------------------------------------------------------------


def test_what_does_not_go_together_is_refused(a, b, capsys):
    for words, message in (
        (["--by", "script"], "--by needs DATA_DIR"),
        (["--out", "x.png"], "--out needs --worst"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["compare", str(a), str(b), *words])
        assert message in capsys.readouterr().err


def test_without_an_image_in_both_there_is_nothing_to_compare(a, run, tmp_path):
    other = write_maps(tmp_path / "other.zip", b_of, train=(11, 12), validation=())
    status, said, error, splits = run(a, other)
    assert (status, said, splits) == (2, "", None)
    assert f"No image has a label map in both {a} and {other}" in error


def test_a_set_that_is_not_there_is_named(a, run, tmp_path):
    status, _, error, _ = run(a, tmp_path / "nowhere.zip")
    assert status == 2 and "nowhere.zip" in error


def test_without_ground_truth_it_says_where_that_is(a, b, images, run):
    for path in images.glob("*_gt_v2.zip"):
        path.unlink()
    status, _, error, _ = run(a, b, images, "--by", "script")
    assert status == 2 and "ch8_training_localization_transcription_gt_v2.zip" in error


def test_a_label_map_of_other_values_is_named(a, run, tmp_path):
    wrong = write_maps(tmp_path / "wrong.zip", lambda seed: a_of(seed) + 7 * (seed == 4) * (a_of(seed) == 0))
    status, _, error, _ = run(a, wrong)
    assert status == 2 and "wrong.zip" in error and "training_labels/img_4.png" in error and "7" in error
