"""`mlt-s weak repair`: uncertain pixels become what the network is sure of, and nothing else changes."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
from archives import encoded, label_members, words_file, words_line, write_zip
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import drawn, drawn_mlt, png
from PIL import Image

import mlt_s
import mlt_s_tools
from mlt_s_tools.cli import main
from mlt_s_tools.weak import model
from mlt_s_tools.weak.patches import Patch
from mlt_s_tools.weak.repair import repaired
from mlt_s_tools.weak.rule import Thresholds
from mlt_s_tools.words import word_box, word_mask

once = pytest.mark.once
SURE = Thresholds(0.8, 0.2)


def doubtful(split, number, mask):
    """A label map as the authors' are: uncertain around the text, a stroke broken, and a wrong pixel or two."""
    label = mask.astype(np.uint8)
    rows, columns = np.nonzero(mask)
    label[:, columns.mean().astype(int) :][mask[:, columns.mean().astype(int) :]] = 255
    label[rows.min() - 2 : rows.min() + 6, columns.min() : columns.max()] = 255
    label[5, 5] = 1  # text outside of any word
    label[7, 7] = 255  # uncertain outside of any word
    return label


@pytest.fixture
def folder(shipped, tmp_path):
    return drawn_mlt(tmp_path / "mlt", train=(1, 2), validation=(1,), relabel=doubtful)


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "repaired.zip"


def run(folder, out, *words):
    return main(["weak", "repair", str(folder), str(out), *words])


def labels(path):
    """Name -> label map."""
    with zipfile.ZipFile(path) as opened:
        return {
            name.partition("/")[2]: np.asarray(Image.open(io.BytesIO(opened.read(name))))
            for name in opened.namelist()
            if name.endswith(".png")
        }


def record(path):
    with zipfile.ZipFile(path) as opened:
        return json.loads(opened.read("MLT_S_labels/weak.json"))


# --- What changes --------------------------------------------------------------------------------------------------


@once
def test_doubt_becomes_text_and_background_and_all_that_was_sure_stays(folder, out, capsys):
    assert run(folder, out) == 0
    before, after = labels(folder / "MLT_S_labels.zip"), labels(out)
    assert list(after) == list(before)
    for name, was in before.items():
        text = drawn(f"{'Train' if 'training' in name else 'Val'}{name[-5]}")[1]
        sure = was != 255
        assert np.array_equal(after[name][sure], was[sure])
        doubt = (was == 255) & (after[name] != 255)
        assert np.count_nonzero(doubt) > 0.6 * np.count_nonzero(was == 255)
        assert np.mean((after[name] == 1)[doubt] == text[doubt]) > 0.98
        assert after[name][5, 5] == 1 and after[name][7, 7] == 255
    said, counts = capsys.readouterr().out, record(out)["splits"]
    changed = [(before[name] == 255) & (after[name] == 1) for name in before if "training" in name]
    assert counts["train"]["became_text"] == sum(map(np.count_nonzero, changed))
    assert counts["train"]["joined"] == 0 and counts["train"]["images"] == 2
    left = sum(np.count_nonzero(after[name] == 255) for name in before if "validation" in name)
    assert counts["validation"]["uncertain"] == left
    assert f"{out}: 3 label maps repaired by network " in said and f"{left:,} left" in said


@once
def test_the_surer_it_has_to_be_the_less_it_changes_and_never_otherwise(folder, out):
    run(folder, out.with_name("a.zip"), "--sure", "0.6")
    run(folder, out.with_name("b.zip"), "--sure", "0.95")
    bold, careful = labels(out.with_name("a.zip")), labels(out.with_name("b.zip"))
    for name in bold:
        decided = careful[name] != 255
        assert np.array_equal(bold[name][decided], careful[name][decided])
    assert sum((of == 255).sum() for of in careful.values()) > sum((of == 255).sum() for of in bold.values())


@once
def test_a_broken_stroke_is_joined_only_where_asked_for(shipped, tmp_path, out):
    def broken(split, number, mask):
        label = mask.astype(np.uint8)
        label[40:43] = 0  # through the stems
        return label

    folder = drawn_mlt(tmp_path / "mlt", train=(1,), relabel=broken)
    (was,) = labels(folder / "MLT_S_labels.zip").values()
    run(folder, out)
    assert np.array_equal(*labels(out).values(), was)
    run(folder, out.with_name("joined.zip"), "--strokes")
    (now,) = labels(out.with_name("joined.zip")).values()
    text = drawn("Train1")[1]
    gap = text & (was == 0)
    assert gap.sum() > 10 and np.mean(now[gap] == 1) > 0.85
    assert np.count_nonzero((now == 1) & ~text) <= 0.02 * text.sum()
    assert np.all(now[was == 1] == 1)
    assert record(out.with_name("joined.zip"))["splits"]["train"]["joined"] == np.count_nonzero(now != was)


@once
def test_strokes_are_not_thickened_where_the_network_sees_more_than_the_authors(shipped, tmp_path, out):
    def thin(split, number, mask):
        return mask & np.roll(mask, 1, 1) & np.roll(mask, -1, 1)

    folder = drawn_mlt(tmp_path / "mlt", train=(1,), relabel=thin)
    run(folder, out, "--strokes")
    (was,), (now,) = labels(folder / "MLT_S_labels.zip").values(), labels(out).values()
    assert np.count_nonzero(now != was) < 0.25 * np.count_nonzero(drawn("Train1")[1] & (was == 0))


CHOICE = np.array([0, 1, 255], np.uint8)
BOXES = st.tuples(st.integers(-3, 20), st.integers(-3, 12), st.integers(1, 14), st.integers(1, 10), st.booleans())


@once
@settings(max_examples=60, deadline=None)
@given(st.lists(BOXES, max_size=3), st.integers(0, 99), st.booleans())
def test_of_any_words_and_probabilities(boxes, seed, strokes):
    rng = np.random.default_rng(seed)
    before = rng.choice(CHOICE, (14, 22))
    words, patches = [], []
    for x, y, width, height, readable in boxes:
        quad = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
        box = word_box(quad, (22, 14), 0)
        values = box and rng.random((box[3] - box[1], box[2] - box[0])).astype(np.float32)
        words.append({"quad": quad, "readable": readable})
        patches.append(Patch(box, values) if box and readable else None)
    after, joined = repaired(before, words, patches, SURE, strokes)
    changed = after != before
    assert not changed[~word_mask([word["quad"] for word in words if word["readable"]], (22, 14))].any()
    assert np.array_equal(joined, changed & (before == 0)) and not (joined.any() and not strokes)
    assert not changed[before == 1].any() and after.dtype == np.uint8
    greatest = np.zeros(before.shape, np.float32)
    for patch in filter(None, patches):
        left, top, right, bottom = patch.box
        greatest[top:bottom, left:right] = np.maximum(greatest[top:bottom, left:right], patch.values)
    assert (greatest[changed & (after == 1)] >= 0.8).all() and (greatest[changed & (after == 0)] < 0.2).all()


# --- What it is made of --------------------------------------------------------------------------------------------


@once
def test_an_unreadable_word_and_one_without_ground_truth_stay_as_they_are(folder, out, tmp_path, capsys):
    picture, mask, quad = drawn("Train3")
    label = doubtful("train", 3, mask)
    write_zip(folder / "ch8_training_images_2.zip", {f"img_{n}.png": encoded(picture, "PNG") for n in (3, 4)})
    write_zip(folder / "more_training_labels.zip", label_members({"img_3": png(label), "img_4": png(label)}, {}))
    extra = folder / "more_training_localization_transcription_gt.zip"
    write_zip(extra, {"gt_img_3.txt": words_file(words_line(quad, "None", "###"))})
    assert run(folder, out) == 0
    for number in (3, 4):
        assert np.array_equal(labels(out)[f"training_labels/img_{number}.png"], label)
    assert record(out)["without_ground_truth"] == {"train": 1}
    assert "train: 1 image without ground truth" in capsys.readouterr().out


@once
def test_masks_of_0_and_255_come_out_as_0_and_1(shipped, tmp_path, out):
    folder = drawn_mlt(tmp_path / "mlt", train=(1,), relabel=lambda split, number, mask: 255 * mask.astype(np.uint8))
    assert run(folder, out, "--text-value", "255") == 0
    (now,) = labels(out).values()
    assert np.array_equal(now, drawn("Train1")[1])


@once
def test_a_label_map_that_a_camera_turned_lies_in_the_frame_of_the_stored_image(shipped, tmp_path, out):
    picture, mask, quad = drawn("Train1")
    stored = encoded(picture, "JPEG", orientation=6, quality=95)
    seen = np.rot90(doubtful("train", 1, mask), -1)  # as a viewer shows it
    folder = tmp_path / "mlt"
    write_zip(folder / "ch8_training_images_1.zip", {"img_1.jpg": stored})
    write_zip(
        folder / "ch8_training_localization_transcription_gt_v2.zip", {"gt_img_1.txt": words_file(words_line(quad))}
    )
    write_zip(folder / "MLT_S_labels.zip", label_members({"img_1": png(seen)}, {}))
    assert run(folder, out) == 0
    (now,) = labels(out).values()
    assert now.shape == mask.shape
    assert np.mean((now == 1)[now != 255] == mask[now != 255]) > 0.98


@once
def test_what_mlt_s_weak_made_itself_stays_and_keeps_its_signature(folder, out, tmp_path):
    write_zip(folder / "ch8_training_images_2.zip", {"img_3.png": encoded(drawn("Train3")[0], "PNG")})
    extra = folder / "more_training_localization_transcription_gt.zip"
    write_zip(extra, {"gt_img_3.txt": words_file(words_line(drawn("Train3")[2]))})
    main(["weak", "label", str(folder), str(out.with_name("weak.zip")), "--unlabelled-only", "--model", "baseline"])
    maps = [
        word
        for path in (folder / "MLT_S_labels.zip", out.with_name("weak.zip"))
        for word in ("--label-maps", str(path))
    ]
    assert run(folder, out, *maps) == 0
    ours = labels(out.with_name("weak.zip"))["training_labels/img_3.png"]
    assert np.array_equal(labels(out)["training_labels/img_3.png"], ours)
    with zipfile.ZipFile(out) as opened:
        signatures = {
            name[-9:]: Image.open(io.BytesIO(opened.read(name))).info["Software"]
            for name in opened.namelist()
            if "training" in name
        }
    assert signatures["img_3.png"] == "mlt-s weak baseline"
    assert signatures["img_1.png"].startswith("mlt-s weak repair by network ")


@once
def test_without_ground_truth_it_says_where_that_is(folder, out, capsys):
    for path in folder.glob("*_gt_v2.zip"):
        path.unlink()
    assert run(folder, out) == 2
    said = capsys.readouterr().err
    assert f"No pair in {folder} has ground truth" in said and mlt_s.IMAGES_URL in said
    assert list(out.parent.iterdir()) == []


@once
@pytest.mark.parametrize("sure", ["0.4", "1.2", "x"])
def test_a_certainty_that_is_none_is_refused(folder, out, capsys, sure):
    with pytest.raises(SystemExit, match="2"):
        run(folder, out, "--sure", sure)
    assert sure in capsys.readouterr().err


# --- Stopped, and called again -------------------------------------------------------------------------------------


@once
def test_interrupted_it_goes_on_and_ends_in_the_same_bytes(folder, out, monkeypatch, capsys):
    monkeypatch.setattr(mlt_s_tools.weak.label, "BATCH", 1)
    run(folder, out.with_name("at_once.zip"))
    probabilities, asked = model.NetworkModel.probabilities, []

    def stopping(self, examples):
        asked.append(examples)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return probabilities(self, examples)

    monkeypatch.setattr(model.NetworkModel, "probabilities", stopping)
    assert run(folder, out) == 130
    for words in (["--strokes"], ["--sure", "0.9"], ["--model", "baseline"]):
        assert run(folder, out, *words) == 2
        assert f"{out}.partial holds label maps of an interrupted run" in capsys.readouterr().err
    assert main(["weak", "label", str(folder), str(out), "--model", "baseline"]) == 2
    assert ", of another command." in capsys.readouterr().err
    assert run(folder, out) == 0 and len(asked) == 4
    assert out.read_bytes() == out.with_name("at_once.zip").read_bytes()
    assert run(folder, out) == 0 and "is done already." in capsys.readouterr().out


# --- Taken as the authors' archive is, and told from it ------------------------------------------------------------


def test_it_loads_in_place_of_the_authors_and_says_who_made_it(load_registered, folder, out):
    run(folder, out)
    loaded = load_registered(folder, label_maps=str(out))
    assert {split: len(of) for split, of in loaded.items()} == {"train": 2, "validation": 1}
    made = loaded["train"][0]["label"]
    assert np.array_equal(made, labels(out)["training_labels/img_1.png"])
    assert made.info["Software"].startswith("mlt-s weak repair by network ")


@once
def test_of_corrected_label_maps_it_says_that_they_were_not_the_authors(folder, out, tmp_path):
    corrected = (folder / "MLT_S_labels.zip").rename(tmp_path / "corrected.zip")
    assert run(folder, out, "--label-maps", str(corrected)) == 0
    with zipfile.ZipFile(out) as archive:
        signed = archive.read("MLT_S_labels/training_labels/img_1.png")
    assert b"mlt-s weak repair of others by network " in signed


@once
def test_check_build_card_and_evaluate_tell_it_from_the_authors(folder, out, tmp_path, capsys):
    run(folder, out)
    capsys.readouterr()
    report = tmp_path / "check.json"
    main(["check", str(folder), "--label-maps", str(out), "--pixels", "--jobs", "1", "--json", str(report)])
    assert "Signed:      3 label maps, by mlt-s weak" in capsys.readouterr().out
    assert json.loads(report.read_text())["splits"]["train"]["weak"] == 2
    mlt_s_tools.build(folder, tmp_path / "built", label_maps=str(out), jobs=1)
    card = (tmp_path / "built" / "README.md").read_text()
    assert "**By `mlt-s weak`: 2 of train and 1 of validation.**" in card
    assert "repaired" in card
    assert main(["weak", "evaluate", str(folder), "--label-maps", str(out)]) == 2
    assert "1 image with a label map by mlt-s weak, not by the authors: img_1" in capsys.readouterr().err
