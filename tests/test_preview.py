"""`mlt-s preview`: which pairs it shows, what it draws, and what it says where it cannot."""

import subprocess
import sys
import weakref

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
    words_of,
    write_pairs,
    write_zip,
)

import mlt_s
from mlt_s_tools.cli import main
from mlt_s_tools.looking.choose import Source
from mlt_s_tools.looking.page import WORD_COLORS
from mlt_s_tools.looking.preview import (
    GAP,
    LABEL_GAP,
    LEGEND_HEIGHT,
    MARGIN,
    PANEL_SIZE,
    PAPER,
    ROW_HEIGHT,
    contact_sheet,
    group_width,
    label_sheet,
    overlay,
)

GROUP_WIDTH = group_width(3)


@pytest.fixture
def folder(tmp_path):
    return mlt(tmp_path / "mlt", train=9, validation=4)


def preview(folder, *words):
    return main(["preview", str(folder), *map(str, words)])


def names(choices):
    return [(choice.split, choice.pair.image_id) for choice in choices]


def sheet_of(folder, tmp_path, *words):
    out = tmp_path / "sheet.png"
    assert preview(folder, "--out", out, *words) == 0
    with PIL.Image.open(out) as picture:
        return np.asarray(picture)


def rows_in(sheet):
    """How many lines of two pairs a sheet has."""
    return sheet.shape[0] // ROW_HEIGHT


# --- Which pairs ---------------------------------------------------------------------------------------------------


def test_ids_are_taken_in_the_order_given_and_from_both_splits(folder):
    assert names(Source(folder).find(["img_9", "img_2"])) == [
        ("train", "img_9"),
        ("train", "img_2"),
        ("validation", "img_2"),
    ]


def test_an_id_given_twice_or_in_capitals_is_one(folder):
    assert names(Source(folder, split="train").find(["img_2", "IMG_2", "img_2"])) == [("train", "img_2")]


def test_a_split_limits_what_is_shown(folder):
    assert {split for split, _ in names(Source(folder, split="validation").choices)} == {"validation"}


def test_a_draw_is_the_same_for_one_seed_and_another_for_another(folder):
    drawn = [names(Source(folder).draw(5, seed)) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_draw_has_no_pair_twice_and_keeps_their_order(folder):
    source = Source(folder)
    drawn = source.draw(12, seed=3)
    assert len(set(drawn)) == 12
    assert [source.choices.index(choice) for choice in drawn] == sorted(
        source.choices.index(choice) for choice in drawn
    )


def test_a_draw_of_more_than_there_are_takes_all(folder):
    assert len(Source(folder).draw(100, seed=0)) == 13


def test_to_choose_no_picture_is_read(folder, monkeypatch):
    monkeypatch.setattr(mlt_s, "read_member", None)
    assert len(Source(folder).draw(3, seed=0)) == 3


def test_label_maps_may_lie_elsewhere(folder, tmp_path):
    archive = (folder / "MLT_S_labels.zip").rename(tmp_path / "MLT_S_labels.zip")
    assert len(Source(folder, label_maps=archive).choices) == 13


def test_label_maps_without_an_image_are_left_out_with_a_word(folder, caplog):
    (folder / "ch8_training_images_2.zip").unlink()
    assert len(Source(folder).choices) == 9
    assert "4 label maps of the train split without an image, skipped" in caplog.text


def test_an_example_is_what_the_loader_yields(folder, load_registered):
    source = Source(folder, split="train")
    loaded = load_registered(folder, split="train", streaming=True)
    for choice, example in zip(source.choices, loaded):
        read = source.read(choice)
        assert read["image_id"] == example["image_id"]
        assert read["image"].mode == "RGB" and np.array_equal(read["image"], example["image"])
        assert read["label"].mode == "L" and np.array_equal(read["label"], example["label"])


# --- Words ---------------------------------------------------------------------------------------------------------


def ground_truth(folder, files, split="training"):
    """Writes MLT's archive of ground truth: name of the image -> content of its file."""
    members = {f"gt_{name}.txt": content for name, content in files.items()}
    return write_zip(folder / f"ch8_{split}_localization_transcription_gt_v2.zip", members)


def test_a_pair_has_its_own_words_or_none(folder):
    add_words(folder, [1, 2], [1])
    source = Source(folder)
    words = {names([choice])[0]: source.read_words(choice) for choice in source.choices}
    assert [word["transcription"] for word in words["train", "img_1"]] == ["word, 1", "###"]
    assert [word["transcription"] for word in words["validation", "img_1"]] == ["word, 501", "###"]
    assert {key for key, of_pair in words.items() if of_pair is None} == words.keys() - {
        ("train", "img_1"),
        ("train", "img_2"),
        ("validation", "img_1"),
    }


def test_a_file_without_words_is_no_missing_file(folder):
    ground_truth(folder, {"img_1": b""})
    source = Source(folder)
    assert source.read_words(source.choices[0]) == []


def test_names_match_whatever_their_case_and_unicode_form(tmp_path):
    write_zip(tmp_path / "ch8_training_images_1.zip", {"Caf\u00e9.jpg": image_file(1)})
    write_zip(tmp_path / "MLT_S_labels.zip", label_members({"Caf\u00e9": label_file(1)}, {}))
    ground_truth(tmp_path, {"CAFE\u0301": words_file(*words_of(1))})
    source = Source(tmp_path)
    assert len(source.read_words(source.choices[0])) == 2


def test_to_choose_no_ground_truth_is_read(folder, monkeypatch):
    add_words(folder, range(1, 10), range(1, 5))
    monkeypatch.setattr(mlt_s, "read_member", None)
    assert len(Source(folder).draw(3, seed=0)) == 3


BOX = [(60, 40), (160, 40), (160, 90), (60, 90)]


def pair_with_words(tmp_path, ground, *lines):
    """A folder of one pair as large as a panel, of one colour and without text, so that nothing is scaled."""
    image = encoded(PIL.Image.new("RGB", PANEL_SIZE, ground), "PNG")
    write_pairs(tmp_path, {"img_1.png": (image, encoded(PIL.Image.new("L", PANEL_SIZE), "PNG"))})
    if lines:
        ground_truth(tmp_path, {"img_1": words_file(*lines)})
    return tmp_path


def panels_of(sheet):
    """Image, label map and overlay of the last row: arrays (height, width, 3)."""
    top = sheet.shape[0] - MARGIN // 2 - ROW_HEIGHT
    lefts = [MARGIN + panel * (PANEL_SIZE[0] + GAP) for panel in range(3)]
    return [sheet[top : top + PANEL_SIZE[1], left : left + PANEL_SIZE[0]].astype(int) for left in lefts]


@pytest.mark.parametrize("ground", [(255, 255, 255), (0, 0, 0), (0, 200, 255), (128, 128, 128)])
@pytest.mark.parametrize("transcription, kind", [("word", "word"), ("###", "unreadable")])
def test_words_are_outlined_on_the_image_alone(ground, transcription, kind, tmp_path):
    folder = pair_with_words(tmp_path, ground, words_line(BOX, "Latin", transcription))
    image, label, laid_over = panels_of(sheet_of(folder, tmp_path))
    for x, y in [(110, 40), (110, 90), (60, 65), (160, 65)]:
        assert image[y, x].tolist() == list(WORD_COLORS[kind])
    assert image[65, 110].tolist() == image[30, 110].tolist() == list(ground)
    assert (label == 0).all() and (laid_over == ground).all()
    line, beside = image[65, 60], image[65, 57:60].min(axis=0)
    assert np.abs(line - beside).max() > 60  # so it is seen on a ground of its own colour too


def test_a_line_aslant_is_smooth(tmp_path):
    folder = pair_with_words(tmp_path, (0, 0, 0), words_line([(20, 20), (220, 60), (220, 160), (20, 120)]))
    image = panels_of(sheet_of(folder, tmp_path))[0]
    assert len(np.unique(image[20:60, 40:200, 2])) > 5


def test_words_stand_where_they_are_in_an_image_that_is_shrunk(tmp_path):
    size = (4 * PANEL_SIZE[0], 4 * PANEL_SIZE[1])
    image = encoded(PIL.Image.new("RGB", size, (0, 0, 0)), "PNG")
    write_pairs(tmp_path, {"img_1.png": (image, encoded(PIL.Image.new("L", size), "PNG"))})
    ground_truth(tmp_path, {"img_1": words_file(words_line([(4 * x + 1.5, 4 * y + 1.5) for x, y in BOX]))})
    image = panels_of(sheet_of(tmp_path, tmp_path))[0]
    lines = np.argwhere((image == WORD_COLORS["word"]).all(axis=2))
    assert lines.min(axis=0).tolist() == [40, 60] and lines.max(axis=0).tolist() == [90, 160]


@pytest.mark.parametrize(
    "quad",
    [
        [(-50, -50), (300, -50), (300, 300), (-50, 300)],
        [(10, 10)] * 4,
        [(10, 10), (90, 90), (90, 10), (10, 90)],
        [(-99999, -99999), (99999, -99999), (99999, 99999), (-99999, 99999)],
        [(10, 10), (99999, 20), (99999, 40), (10, 30)],
    ],
)
def test_a_quad_can_be_anything_and_stays_in_its_panel(quad, tmp_path):
    folder = pair_with_words(tmp_path, (0, 0, 0), words_line(quad))
    with_words = sheet_of(folder, tmp_path)
    (folder / "ch8_training_localization_transcription_gt_v2.zip").unlink()
    without = sheet_of(folder, tmp_path)
    changed = (with_words != without).any(axis=2)[MARGIN + 30 :, MARGIN + PANEL_SIZE[0] :]
    assert not changed.any()


def test_label_maps_alone_are_shown_in_their_colours_four_abreast():
    labels = [PIL.Image.fromarray(label_values(*PANEL_SIZE, seed)) for seed in range(5)]
    sheet = label_sheet((f"train  img_{n}", {"label": label}) for n, label in enumerate(labels))
    for n, label in enumerate(labels):
        left = MARGIN + n % 4 * (PANEL_SIZE[0] + LABEL_GAP)
        top = MARGIN + LEGEND_HEIGHT + n // 4 * ROW_HEIGHT
        panel = sheet.crop((left, top, left + PANEL_SIZE[0], top + PANEL_SIZE[1]))
        assert np.array_equal(panel, mlt_s.LABEL_MAP.colorize(label)), n
    assert sheet.size == (left + 4 * PANEL_SIZE[0] + 3 * LABEL_GAP + MARGIN, top + ROW_HEIGHT + MARGIN // 2)
    with pytest.raises(ValueError, match="at least one label map"):
        label_sheet([])


def test_the_legend_explains_words_only_where_there_are_some(tmp_path):
    folder = pair_with_words(tmp_path / "mlt", (0, 0, 0))
    legends = [sheet_of(folder, tmp_path)[: MARGIN + 30]]
    for files in ({"img_1": b""}, {"img_1": words_file(words_line(BOX))}):
        ground_truth(folder, files)
        legends.append(sheet_of(folder, tmp_path)[: MARGIN + 30])
    assert np.array_equal(legends[0], legends[1])
    changed = (legends[2] != legends[0]).any(axis=(0, 2))
    assert changed.any() and not changed[: MARGIN + 400].any()


def test_an_overlay_is_of_the_label_map_alone():
    example = {"image": PIL.Image.new("RGB", (90, 60)), "label": PIL.Image.new("L", (90, 60))}
    words = [{"quad": [[10, 10], [50, 10], [50, 30], [10, 30]], "readable": True}]
    assert np.array_equal(overlay({**example, "words": words}), overlay(example))


# --- The picture ---------------------------------------------------------------------------------------------------


def test_it_draws_twelve_pairs_unless_told_otherwise(folder, tmp_path, capsys):
    assert rows_in(sheet_of(folder, tmp_path)) == 6
    assert "12 of 13 pairs" in capsys.readouterr().out
    assert rows_in(sheet_of(folder, tmp_path, "--count", 3)) == 2


def test_it_draws_into_the_working_directory(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert preview(folder, "--count", 1) == 0
    assert (tmp_path / "preview.png").exists()


MINE = {"a.png": encoded(PIL.Image.new("RGB", (3, 2)), "PNG"), "a.html": b"<title>mine</title>", "a.csv": b"mine,1"}
MINE["a.json"] = b'{"status": "mine"}'


@pytest.mark.parametrize(
    "words",
    [
        ["demo", "--out", "a.png"],
        ["preview", "mlt", "--out", "a.png"],
        ["preview", "mlt", "--html", "a.html"],
        ["check", "mlt", "--json", "a.json"],
        ["evaluate", "masks", "mlt", "--csv", "a.csv"],
        ["evaluate", "masks", "mlt", "--json", "a.json"],
        ["evaluate", "masks", "mlt", "--worst", "1", "--out", "a.png"],
    ],
    ids=" ".join,
)
def test_a_file_is_replaced_only_if_it_is_from_here(folder, tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "masks").mkdir()
    PIL.Image.new("1", (24, 16)).save(tmp_path / "masks" / "img_1.png")
    (path,) = (tmp_path / word for word in words if word in MINE)
    path.write_bytes(MINE[path.name])
    assert main(words) == 2
    assert path.read_bytes() == MINE[path.name]
    said = capsys.readouterr()
    assert f"{path.name} exists" in said.err and "not known to be from mlt-s" in said.err and not said.out
    path.write_bytes(b"")  # as mktemp makes it
    statuses = [main(words)]
    first = path.read_bytes()
    statuses.append(main(words))
    assert 2 not in statuses and statuses[0] == statuses[1]
    assert first and path.read_bytes() == first
    if path.suffix in (".png", ".html"):
        assert f"{path} (replaced)" in capsys.readouterr().out


def test_the_seed_decides_what_is_drawn(folder, tmp_path):
    first, same, other = (sheet_of(folder, tmp_path, "--count", 2, "--seed", seed) for seed in (0, 0, 1))
    assert np.array_equal(first, same) and not np.array_equal(first, other)


def test_a_row_shows_image_label_map_and_overlay(tmp_path):
    label = np.zeros((PANEL_SIZE[1], PANEL_SIZE[0]), np.uint8)
    label[:, :100], label[:, 200:] = 1, 255
    grey = encoded(PIL.Image.new("RGB", PANEL_SIZE, (100, 100, 100)), "PNG")
    write_pairs(tmp_path, {"img_1.png": (grey, encoded(PIL.Image.fromarray(label), "PNG"))})
    sheet = sheet_of(tmp_path, tmp_path, "--ids", "img_1")
    top = sheet.shape[0] - MARGIN // 2 - ROW_HEIGHT
    text, background, uncertain = (
        [sheet[top + 50, MARGIN + panel * 260 + x].tolist() for panel in range(3)] for x in (50, 150, 230)
    )
    assert text == [[100, 100, 100], [255, 0, 0], [208, 30, 30]]
    assert background == [[100, 100, 100], [0, 0, 0], [100, 100, 100]]
    assert uncertain == [[100, 100, 100], [255, 222, 0], [208, 185, 30]]


@pytest.mark.parametrize("title", ["x" * 500, "two\nlines\ttab", "\udcff", "كتاب 書店", ""])
def test_a_name_can_be_anything_and_stays_in_its_row(title):
    grey = {"image": PIL.Image.new("RGB", (8, 6)), "label": PIL.Image.new("L", (8, 6))}
    sheet = np.asarray(contact_sheet([(title, grey)] * 2))
    between = sheet[-ROW_HEIGHT:, MARGIN + GROUP_WIDTH + 4 : MARGIN + GROUP_WIDTH + 28]
    assert (between == PAPER).all()


def test_a_sheet_refuses_what_is_no_pair():
    with pytest.raises(ValueError, match="'segmentation'"):
        contact_sheet([("img_1", {"label": PIL.Image.new("L", (3, 1))})])


def test_a_sheet_refuses_an_image_without_a_label_map():
    with pytest.raises(ValueError, match="no label map"):
        contact_sheet([("img_1", {"image": PIL.Image.new("RGB", (3, 1)), "label": None})])


def test_a_sheet_of_many_holds_one_example_at_a_time():
    images = []

    def rows():
        for _ in range(9):
            example = {"image": PIL.Image.new("RGB", (80, 60)), "label": PIL.Image.new("L", (80, 60))}
            images.append(weakref.ref(example["image"]))
            yield "img", example
            del example
            assert sum(image() is not None for image in images) <= 1

    contact_sheet(rows())


# --- What it says --------------------------------------------------------------------------------------------------


def error_of(capsys):
    """The last line on stderr, which is the only one that the command itself writes; warnings stand above it."""
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("mlt-s: ") for line in lines) == 1
    return lines[-1]


def test_wrong_ids_are_named_with_what_is_near(folder, tmp_path, capsys):
    assert preview(folder, "--ids", "img_1", "img_44", "nonsense", "--out", tmp_path / "x.png") == 2
    said = error_of(capsys)
    assert "There is no pair 'img_44': did you mean img_4" in said
    assert "There is no pair 'nonsense'" in said and "'img_1'" not in said
    assert not (tmp_path / "x.png").exists()


def test_an_id_of_the_other_split_is_wrong(folder, capsys):
    assert preview(folder, "--ids", "img_9", "--split", "validation") == 2
    assert "There is no pair 'img_9'" in error_of(capsys)


def test_a_split_without_pairs_is_said(folder, capsys):
    (folder / "ch8_validation_images.zip").unlink()
    assert preview(folder, "--split", "validation") == 2
    assert f"There is no pair of the validation split in {folder}" in error_of(capsys)


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_what_is_no_folder_of_archives_is_said_in_one_line(kind, tmp_path, capsys):
    place = tmp_path / "place"
    if kind == "empty":
        place.mkdir()
    if kind == "file":
        place.write_text("no archive")
    assert preview(place) == 2
    assert str(place) in error_of(capsys)


def test_a_picture_cut_off_is_named(tmp_path, capsys):
    noise = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    write_pairs(tmp_path, {"img_1.jpg": (encoded(noise)[:2000], label_file(1, 64, 64))})
    assert preview(tmp_path) == 2
    assert "ch8_training_images_1.zip, member img_1.jpg" in error_of(capsys)


def test_a_label_map_of_other_values_is_named(tmp_path, capsys):
    label = encoded(PIL.Image.fromarray(np.full((16, 24), 7, np.uint8)), "PNG")
    write_pairs(tmp_path, {"img_1.jpg": (image_file(1), label)})
    assert preview(tmp_path) == 2
    said = error_of(capsys)
    assert "MLT_S_labels.zip" in said and "img_1.png" in said and "7" in said


def test_ground_truth_that_is_none_is_named_and_the_picture_drawn_without(tmp_path, capsys):
    mlt(tmp_path, train=2, validation=0)
    plain = sheet_of(tmp_path, tmp_path)
    ground_truth(tmp_path, {"img_1": b"1,2,3", "img_2": words_file(*words_of(2))})
    capsys.readouterr()
    drawn = sheet_of(tmp_path, tmp_path)
    assert "gt_img_1.txt, line 1, is not a valid ground-truth line: it has 3 fields" in error_of(capsys)
    row = drawn[-ROW_HEIGHT - MARGIN // 2 :], plain[-ROW_HEIGHT - MARGIN // 2 :]
    first, second = (slice(left, left + GROUP_WIDTH) for left in (MARGIN, MARGIN + GROUP_WIDTH + 32))
    assert np.array_equal(row[0][:, first], row[1][:, first])
    assert not np.array_equal(row[0][:, second], row[1][:, second])


def test_ground_truth_of_two_contents_is_named(tmp_path, capsys):
    add_words(mlt(tmp_path, train=2, validation=2), [1, 2], [1, 2])
    other = tmp_path / "train" / "gt_img_2.txt"
    other.parent.mkdir()
    other.write_bytes(words_file(*words_of(7)))
    sheet_of(tmp_path, tmp_path)
    said = error_of(capsys)
    assert "One name, two contents" in said and str(other) in said and "gt_img_1.txt" not in said


def test_a_damaged_archive_of_ground_truth_is_named_once(tmp_path, capsys):
    mlt(tmp_path, train=4, validation=2)
    archive = ground_truth(tmp_path, {"img_1": words_file(*words_of(1))})
    archive.write_bytes(archive.read_bytes()[:-30])
    sheet_of(tmp_path, tmp_path)
    assert f"{archive} (" in error_of(capsys)


def test_ground_truth_of_no_known_split_is_left_out_with_a_word(tmp_path, caplog):
    mlt(tmp_path, train=2, validation=0)
    write_zip(tmp_path / "mine_gt.zip", {"gt_img_1.txt": words_file(*words_of(1))})
    source = Source(tmp_path)
    assert source.read_words(source.choices[0]) is None
    assert "Left out 1 ground truth file of no known split" in caplog.text and "mine_gt.zip" in caplog.text


def test_a_picture_that_cannot_be_written_is_said(folder, tmp_path, capsys):
    assert preview(folder, "--out", tmp_path / "missing" / "x.png") == 2
    assert "missing" in error_of(capsys)


@pytest.mark.parametrize(
    "words, said",
    [
        (["--count", "0"], "'0' is not a positive integer"),
        (["--count", "many"], "'many' is not a positive integer"),
        (["--count", "2", "--ids", "img_1"], "not allowed with"),
        (["--out", "a.png", "--html", "a.html"], "not allowed with"),
        (["--split", "test"], "invalid choice"),
        (["--check", "check.json"], "--check needs --html"),
    ],
)
def test_words_that_do_not_fit_are_refused(words, said, folder, capsys):
    with pytest.raises(SystemExit) as stop:
        preview(folder, *words)
    assert stop.value.code == 2 and said in capsys.readouterr().err


def test_help_does_not_wait_for_the_library():
    code = "import sys; from mlt_s_tools.cli import main; sys.modules['datasets'] = None; main(['preview', '--help'])"
    folder = mlt_s.__file__.rpartition("/")[0]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0 and "--html FILE" in done.stdout, done.stderr


def test_names_beyond_ascii_are_found(tmp_path):
    write_zip(tmp_path / "ch8_training_images_1.zip", {"لافتة.jpg": image_file(1)})
    write_zip(tmp_path / "MLT_S_labels.zip", label_members({"لافتة": label_file(1)}, {}))
    assert preview(tmp_path, "--ids", "لافتة", "--out", tmp_path / "x.png") == 0


# --- An overlay is seen on any ground ------------------------------------------------------------------------------

RED, SIGN, YELLOW = (255, 0, 0), (190, 25, 30), (235, 200, 30)


def letter_on(ground, ink, value=1, size=(120, 80)):
    """A picture of a bar and its label map."""
    image, label = PIL.Image.new("RGB", size, ground), PIL.Image.new("L", size)
    for picture, color in (image, ink), (label, value):
        picture.paste(color, (40, 30, 80, 50))
    return {"image_id": "img_1", "image": image, "label": label}


def line_around(example, **options):
    """The colours beside the bar and in it, in the overlay."""
    pixels = np.asarray(overlay(example, **options)).astype(int)
    beside = np.concatenate([pixels[29, 45:75], pixels[50, 45:75], pixels[35:45, 39], pixels[35:45, 80]])
    return beside, pixels[40, 60]


@pytest.mark.parametrize(
    "ground, ink, value, is_dark",
    [
        (SIGN, (255, 255, 255), 1, False),
        (SIGN, (230, 60, 50), 1, False),
        ((255, 255, 255), (200, 20, 25), 1, True),
        (YELLOW, (0, 0, 0), 255, True),
    ],
    ids=["white on red", "red on red", "red on white", "black on yellow, uncertain"],
)
def test_what_is_like_the_pictures_colours_is_outlined(ground, ink, value, is_dark):
    beside, inside = line_around(letter_on(ground, ink, value))
    apart = np.abs(beside - ground).sum(axis=1)
    assert apart.min() > 150 and (beside.mean() < np.mean(ground)) == is_dark
    wanted = 0.3 * np.array(ink) + 0.7 * np.array(mlt_s.LABEL_MAP.colors[value])
    assert np.abs(inside - wanted).max() <= 1, "the class keeps its colour"


@pytest.mark.parametrize("ground", [(100, 100, 100), (40, 60, 120), (250, 250, 250), (0, 0, 0), (60, 120, 50)])
def test_text_that_contrasts_with_its_overlay_is_not_outlined(ground):
    beside, _ = line_around(letter_on(ground, (20, 20, 20)))
    assert (beside == ground).all()


def test_the_line_goes_with_the_strength():
    far = [np.abs(line_around(letter_on(SIGN, SIGN), strength=s)[0] - SIGN).mean() for s in (0, 0.3, 0.7, 1)]
    assert far[0] == 0 and 0 < far[1] < far[2] == far[3]


def test_the_sheet_outlines_it_in_the_overlay_alone(tmp_path):
    sheet = np.asarray(contact_sheet([("img_1", letter_on(SIGN, SIGN, size=PANEL_SIZE))])).astype(int)
    top = MARGIN + LEGEND_HEIGHT + 30
    panels = [sheet[top : top + PANEL_SIZE[1], left : left + PANEL_SIZE[0]] for left in panel_lefts()]
    assert (panels[0] == SIGN).all() and set(map(tuple, panels[1].reshape(-1, 3))) == {(0, 0, 0), RED}
    assert (panels[2].min(axis=2) > 150).sum() >= 2 * (40 + 20)


def panel_lefts():
    return [MARGIN + panel * (PANEL_SIZE[0] + GAP) for panel in range(3)]
