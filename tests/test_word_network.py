"""`word_network`, which makes the network that ships: what it draws, how a killed run resumes, and its evaluation."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from conftest import REAL
from PIL import Image, features

from mlt_s_tools.weak import framing, network
from mlt_s_tools.weak.patches import Patch
from mlt_s_tools.words import word_box

sys.path.append(str(Path(__file__).parents[1]))  # it is run from a clone; all else is what was installed
from word_network import evaluate, fonts, paint, texts, train  # noqa: E402
from word_network.camera import photographed  # noqa: E402
from word_network.crops import EFFECTS, HELD_OUT, SIZES, Source, batch, compose  # noqa: E402

pytestmark = pytest.mark.once
FONTS = Path(matplotlib.__file__).parent / "mpl-data/fonts/ttf"  # DejaVu, and mathematical ones
CROPS = 4 * train.BATCH * train.BATCHES
SMALL = train.Settings(cycles=(CROPS // 2, CROPS // 2), words=120, grounds=16)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder with the words and grounds of a small run, and what is composed of them."""
    folder = tmp_path_factory.mktemp("drawn")
    return folder, train.sources(folder, FONTS, SMALL)


def plain(source):
    """The same words on a ground of one colour."""
    return Source(source.pools, np.full((1, 224, 320, 3), 128, np.uint8))


# --- Crops ---------------------------------------------------------------------------------------------------------


def test_a_batch_follows_from_its_seed_alone(drawn):
    _, source = drawn
    first, again, other = (batch(source, (0, 1, number), 4, (80, 160)) for number in (7, 7, 8))
    for one, same, another in zip(first, again, other):
        assert all(np.array_equal(value, vars(same)[name]) for name, value in vars(one).items())
        assert not np.array_equal(one.image, another.image)


@pytest.mark.parametrize("size", SIZES)
def test_a_crop_holds_a_word_as_the_framing_shows_it(drawn, size):
    for crop in batch(drawn[1], (0, 2, *size), 6, size):
        assert crop.image.shape == (*size, 3) and crop.word.shape == crop.text.shape == size
        assert {layer.dtype for layer in vars(crop).values()} == {np.dtype(np.uint8)}
        inside = crop.word > 127
        assert 0.01 < (crop.text[inside] > 127).mean() < 0.95
        rows, columns = np.nonzero(inside)
        shorter = min(np.ptp(rows), np.ptp(columns)) + 1  # of the upright rectangle around the word
        assert 0.1 < shorter / min(size) <= 1


def test_text_is_where_the_letters_paint_is(drawn):
    source, rng = plain(drawn[1]), np.random.default_rng(3)
    agree = []
    while len(agree) < 12:
        crop = compose(source, rng, (80, 160), "latin", "loose")
        text, ground = (crop.text > 240), (crop.text < 10)
        if min(text.sum(), ground.sum()) > 200:
            colours = crop.image.astype(float)
            centres = [np.median(colours[where], axis=0) for where in (text, ground)]
            near_text, near_ground = (np.linalg.norm(colours - centre, axis=2) for centre in centres)
            agree.append(np.mean((near_text < near_ground)[text | ground] == text[text | ground]))
    assert np.median(agree) > 0.97 and min(agree) > 0.8


@pytest.mark.parametrize("effect", [*EFFECTS, *HELD_OUT])
def test_each_effect_draws_words_that_can_be_told(drawn, effect):
    rng = np.random.default_rng(5)
    for size in ((80, 96), (160, 80)):
        crop = compose(drawn[1], rng, size, None, effect)
        assert crop.image.std() > 0 and crop.text.max() > 127


@pytest.mark.parametrize("coverage, text", [(0, 0), (0.1, 0.2), (0.25, 0.5), (0.5, 1), (1, 1)])
def test_a_pixel_is_text_from_a_quarter_of_coverage_on(coverage, text):
    for seed in range(4):
        image, covered = np.full((32, 48, 3), 90, np.float32), np.full((32, 48), coverage, np.float32)
        seen, found = photographed(np.random.default_rng(seed), image, covered, 20, 100, {"tiny"}, True)
        assert seen.shape == (32, 48, 3) and found == pytest.approx(text, abs=1e-3)


@pytest.mark.parametrize("side", [5, 20, 60])
def test_words_of_any_height_can_be_out_of_focus(side):
    image, covered = np.full((32, 48, 3), 90, np.float32), np.zeros((32, 48), np.float32)
    image[:, 24:] = 200
    sharp, blurred = (
        photographed(np.random.default_rng(0), image, covered, side, 100, effects, True)[0]
        for effects in ({}, {"blurred"})
    )
    assert np.abs(np.diff(blurred[16].mean(1))).max() < np.abs(np.diff(sharp[16].mean(1))).max()


def block(*effects):
    """A painted block of ink, 30 x 60 pixels in a crop of 80 x 120."""
    ink = np.zeros((80, 120), np.float32)
    ink[25:55, 30:90] = 1
    flat = np.full((80, 120, 3), 128, np.float32)
    canvas = paint.Canvas(np.random.default_rng(1), ink, np.eye(3), (120, 80), 40, {*effects}, lambda: flat)
    paint.paint(canvas, easy=True)
    return canvas


def test_of_a_hollow_letter_its_outline_is_text():
    text = block("hollow").text
    assert text[40, 60] == 0 and text[25, 60] == 1 and text[10, 60] == 0


def test_what_surrounds_or_covers_a_letter_is_no_text():
    for effect in ("outlined", "extruded", "hard shadow", "shadow", "glow"):
        canvas = block(effect)
        assert np.array_equal(canvas.text, canvas.ink)
        around = (paint.grown(canvas.ink, 2) > 0) & (canvas.ink == 0)
        assert np.abs(canvas.image[around] - canvas.image[2, 2]).max() > 5  # something was painted there
    assert 0 < block("occluded").text.sum() < block().ink.sum()


def test_neighbours_in_the_box_are_text(drawn):
    rng = np.random.default_rng(0)
    crops = [compose(drawn[1], rng, (80, 160), "latin", "crowded") for _ in range(20)]
    assert sum((crop.text[crop.word < 10] > 127).any() for crop in crops) > 10


# --- Fonts ---------------------------------------------------------------------------------------------------------


def test_a_family_is_trained_on_or_tested_with_and_never_both(monkeypatch, tmp_path):
    families = [faces for found in fonts.faces_by_script(FONTS).values() for faces in found]
    assert all(len({face.held for face in faces}) == 1 for faces in families)
    names = [f"Family {number}" for number in range(900)]
    assert 60 < sum(map(fonts.is_held, names)) < 140  # every ninth
    held = sorted({faces[0].family for faces in families})[0]
    monkeypatch.setattr(fonts, "is_held", lambda family: family == held)
    drawn = [train.sources(tmp_path, FONTS, SMALL, held=of_test).pools["latin"].index for of_test in (False, True)]
    assert not drawn[0]["held"].any() and drawn[1]["held"].all()
    assert len(drawn[0]) > 20 and len(drawn[1]) > 20


def test_words_are_not_drawn_where_letters_would_not_be_joined(monkeypatch, tmp_path):
    monkeypatch.setattr(features, "check", lambda name: name != "fribidi")  # Pillow's own Raqm needs it
    with pytest.raises(RuntimeError, match="fribidi"):
        train.sources(tmp_path, FONTS, SMALL)


def test_every_script_has_words_in_its_own_letters():
    named = {"bangla": "BENGALI", "chinese": "CJK", "japanese": ("CJK", "HIRAGANA", "KATAKANA"), "korean": "HANGUL"}
    rng = np.random.default_rng(0)
    assert set(texts.SHARES) == set(texts.NEEDED) and sum(texts.SHARES.values()) == pytest.approx(1)
    for script in texts.SHARES:
        letters = [letter for _ in range(200) for letter in texts.word(rng, script) if letter.isalpha()]
        assert len(set(letters)) > 20
        assert all(unicodedata.name(letter).startswith(named.get(script, script.upper())) for letter in letters)


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder of one package; gives a function that sets its licence."""
    monkeypatch.setattr(fonts, "PACKAGES", tmp_path / "packages.txt")
    fonts.PACKAGES.write_text("fonts-one\n")
    folder = tmp_path / "fonts/fonts-one_1%3a2.0-1_all/usr/share/doc/fonts-one"
    folder.mkdir(parents=True)
    return tmp_path / "fonts", lambda licence: (folder / "copyright").write_text(f"Files: *\nLicense: {licence}\n")


def test_packages_are_recorded_with_version_and_licence(packages):
    folder, set_licence = packages
    set_licence("OFL-1.1")
    assert fonts.checked_packages(folder) == [{"name": "fonts-one", "version": "1:2.0-1", "licence": "OFL-1.1"}]


@pytest.mark.parametrize("licence", ["CC-BY-SA-3.0", "CC-BY-NC-4.0", "non-free"])
def test_a_doubtful_licence_is_refused(packages, licence):
    folder, set_licence = packages
    set_licence(licence)
    with pytest.raises(ValueError, match="fonts-one"):
        fonts.checked_packages(folder)


def test_a_missing_package_is_named(packages):
    fonts.PACKAGES.write_text("fonts-one\nfonts-two\n")
    packages[1]("MIT")
    with pytest.raises(ValueError, match="fonts-two"):
        fonts.checked_packages(packages[0])


# --- Training ------------------------------------------------------------------------------------------------------


def run_of(folder, drawn):
    """A folder for a run that has its words already."""
    shutil.copytree(drawn[0], folder)
    return folder


@pytest.fixture(scope="module")
def whole(drawn, tmp_path_factory):
    return train.train(run_of(tmp_path_factory.mktemp("whole") / "run", drawn), FONTS, SMALL, processes=1)


def test_a_killed_run_resumes_with_the_same_result(drawn, whole, tmp_path, monkeypatch):
    out, take_step = run_of(tmp_path / "run", drawn), train.Training.take_step
    monkeypatch.setattr(train, "CHECKPOINT_STEPS", 2)

    def killed(training, *rest):
        if training.step == 3:
            raise KeyboardInterrupt
        take_step(training, *rest)

    monkeypatch.setattr(train.Training, "take_step", killed)
    with pytest.raises(KeyboardInterrupt):
        train.train(out, FONTS, SMALL, processes=1)
    taken = []
    monkeypatch.setattr(train.Training, "take_step", lambda *all: (taken.append(all[0].step), take_step(*all)))
    assert train.train(out, FONTS, SMALL, processes=1).read_bytes() == whole.read_bytes()
    assert taken == [2, 3]


def test_the_learning_rate_rises_and_falls_in_each_cycle():
    settings = train.Settings(cycles=(160_000, 80_000))
    rates = [settings.learning_rate(step) for step in range(settings.steps)]
    assert settings.steps == 15_000
    for cycle, highest in ((rates[:10_000], 2e-3), (rates[10_000:], 1e-3)):
        top = int(np.argmax(cycle))
        assert cycle[top] == pytest.approx(highest, rel=0.01) and 0.03 < top / len(cycle) < 0.05
        assert cycle[0] < 0.01 * highest and cycle[-1] < 0.01 * highest
        assert np.all(np.diff(cycle[:top]) > 0) and np.all(np.diff(cycle[top + 1 :]) <= 0)


def test_a_checkpoint_of_other_settings_is_refused(drawn, whole):
    other = train.Settings(seed=1, cycles=SMALL.cycles, words=SMALL.words, grounds=SMALL.grounds)
    with pytest.raises(ValueError, match="seed=1"):
        train.train(whole.parent, FONTS, other, processes=1)


def test_the_record_says_how_the_weights_were_made(whole):
    record = json.loads(whole.with_suffix(".json").read_text())
    assert record["seed"] == 0 and record["crops"] == CROPS and record["words"] == SMALL.words
    assert [len(commit.partition("-")[0]) for commit in record["commits"]] == [40] and record["versions"][
        "torch"
    ] == torch.__version__
    assert "cores" in record["machine"] and record["minutes"] >= 0


def test_what_is_shipped_says_what_the_trained_average_says(drawn, whole):
    state = torch.load(whole.with_name(train.CHECKPOINT), weights_only=True)
    module = train.Network().eval()
    module.load_state_dict(state["average"])
    crop = batch(drawn[1], (0, 9), 1, (80, 160))[0]
    layers = (torch.from_numpy(layer)[None] for layer in (crop.image, crop.word))
    seen = train.network_input(*layers)
    with torch.inference_mode():
        wanted = torch.sigmoid(module(seen))[0].numpy()
    logits = network.Network(network.read_weights(whole))(seen.permute(0, 2, 3, 1).numpy())[0]
    assert np.abs(framing.probabilities(logits) - wanted).max() < 1e-3
    assert whole.stat().st_size < 3e6


def test_training_sees_words_as_inference_does():
    image = np.random.default_rng(0).integers(0, 256, (80, 160, 3), np.uint8)
    frame = framing.frame([[15.5, 15.5], [143.5, 15.5], [143.5, 63.5], [15.5, 63.5]], (160, 80))
    wanted = framing.crop(Image.fromarray(image), frame)
    assert frame.size == (160, 80)
    word = torch.from_numpy(np.uint8(np.rint(255 * wanted[..., 3])))[None]
    found = train.network_input(torch.from_numpy(image)[None], word)[0].permute(1, 2, 0).numpy()
    assert np.abs(found - wanted).max() < 0.02


# --- The judge -----------------------------------------------------------------------------------------------------


class Oracle:
    """A model that predicts the label map, or the opposite."""

    def __init__(self, examples, contrary=False):
        self.name = "contrary" if contrary else "oracle"
        self.values = {id(of.image): np.float32((of.label == 1) != contrary) for of in examples}

    def probabilities(self, asked):
        boxes = [[word_box(quad, image.size, 0) for quad in quads] for image, quads in asked]
        return [
            [Patch(box, self.values[id(image)][box[1] : box[3], box[0] : box[2]]) for box in of_image]
            for (image, _), of_image in zip(asked, boxes)
        ]


def test_the_judge_tells_right_from_wrong(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "PER_SCRIPT", 5)
    examples, again = (list(evaluate.drawn(drawn[1], script="latin")) for _ in range(2))
    assert all(np.array_equal(one.label, same.label) for one, same in zip(examples, again)) and len(examples) == 5
    oracle, contrary = evaluate.judge([Oracle(examples), Oracle(examples, contrary=True)], examples)
    found = evaluate.report("latin", [oracle, contrary])
    assert found["oracle"]["fgIoU"] == found["oracle"]["mean"] == 100 and found["oracle"]["wrong side"] == 0
    assert found["contrary"]["fgIoU"] == 0 and found["contrary"]["wrong side"] == 100
    assert found["oracle"]["calibration error"] == 0 and found["contrary"]["calibration error"] == 1
    evaluate.sheet(tmp_path / "sheet.png", contrary)
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.width > 1000 and np.asarray(picture).std() > 10


def test_the_boxes_of_the_real_words_lie_in_their_images():
    sizes = {
        "train": {"img_1": (1587, 1187), "img_903": (991, 768)},
        "validation": {"img_1": (370, 497), "img_5": (497, 499)},
    }
    found = json.loads(evaluate.REAL_WORDS.read_text())
    assert {split: set(images) for split, images in found.items()} == {split: set(of) for split, of in sizes.items()}
    for split, images in found.items():
        for name, of in images.items():
            quads = np.array([word["quad"] for word in of["words"]])
            assert quads.shape[1:] == (4, 2) and (quads > 0).all() and (quads < sizes[split][name]).all()


@pytest.mark.skipif(not REAL.is_dir(), reason="the four real pairs are not beside this clone")
def test_the_page_has_the_figures_of_the_moved_label_maps_against_the_published_ones():
    published, moved_back = (list(evaluate.real(REAL, moved_back=moved)) for moved in (False, True))
    follows = [of._replace(label=other.label) for of, other in zip(published, moved_back)]
    (judged,) = evaluate.judge([Oracle(follows)], published)
    found = evaluate.figures(judged)
    page = (Path(__file__).parents[1] / "docs/weak.md").read_text()
    assert f"moved back\nscore {found['fgIoU']:.1f} / {found['mean']:.1f}:" in page


def test_the_page_has_the_figures_of_the_record():
    folder = Path(__file__).parents[1]
    record = json.loads((folder / "mlt_s_tools/weak/network.json").read_text())
    page = (folder / "docs/weak.md").read_text()
    other = json.loads((folder / "word_network/seed-1.json").read_text())
    assert (other["seed"], other["cycles"], other["words"]) == (1, record["cycles"], record["words"])
    for name, of_set in record["figures"].items():
        row = [of_set["network"], other["figures"][name]["network"], of_set["baseline"], of_set["filled"]]
        assert " | ".join(f"{of['fgIoU']:.1f} / {of['mean']:.1f}" for of in row) in page
    assert {font["name"] for font in record["fonts"]} == set(fonts.PACKAGES.read_text().split())
    assert all(font["version"] and font["licence"] for font in record["fonts"])
    assert record["crops"] == sum(record["cycles"])
