"""`mlt-s preview`: which pairs it shows, what it draws, and what it says where it cannot."""

import subprocess
import sys
import weakref

import numpy as np
import PIL.Image
import pytest
from archives import encoded, image_file, label_file, label_members, mlt, write_pairs, write_zip

import mlt_s
from mlt_s_tools.choose import Source
from mlt_s_tools.cli import main
from mlt_s_tools.preview import GROUP_WIDTH, MARGIN, PANEL_SIZE, PAPER, ROW_HEIGHT, contact_sheet


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
    assert "4 label maps without an image, skipped" in caplog.text


def test_an_example_is_what_the_loader_yields(folder, load_registered):
    source = Source(folder, split="train")
    loaded = load_registered(folder, split="train", streaming=True)
    for choice, example in zip(source.choices, loaded):
        read = source.read(choice)
        assert read["image_id"] == example["image_id"]
        assert read["image"].mode == "RGB" and np.array_equal(read["image"], example["image"])
        assert read["label"].mode == "L" and np.array_equal(read["label"], example["label"])


# --- The picture ---------------------------------------------------------------------------------------------------


def test_it_draws_twelve_pairs_unless_told_otherwise(folder, tmp_path, capsys):
    assert rows_in(sheet_of(folder, tmp_path)) == 6
    assert "12 of 13 pairs" in capsys.readouterr().out
    assert rows_in(sheet_of(folder, tmp_path, "--count", 3)) == 2


def test_it_draws_into_the_working_directory(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert preview(folder, "--count", 1) == 0
    assert (tmp_path / "preview.png").exists()


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


def test_a_picture_that_cannot_be_written_is_said(folder, tmp_path, capsys):
    assert preview(folder, "--out", tmp_path / "missing" / "x.png") == 2
    assert "missing" in error_of(capsys)


@pytest.mark.parametrize(
    "words, said",
    [
        (["--count", "0"], "'0' is no number from 1 on"),
        (["--count", "many"], "'many' is no number from 1 on"),
        (["--count", "2", "--ids", "img_1"], "not allowed with"),
        (["--out", "a.png", "--html", "a.html"], "not allowed with"),
        (["--split", "test"], "invalid choice"),
        (["--check", "check.json"], "--check goes with --html"),
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
