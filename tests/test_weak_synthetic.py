"""Drawn words: exact label maps, the same for the same chance, on places without words."""

import random

import numpy as np
import pytest
from PIL import Image, ImageFont

import mlt_s
from mlt_s_tools.weak import synthetic
from mlt_s_tools.weak.synthetic import font_files, has_glyph, synthetic_word
from mlt_s_tools.words import word_mask

pytestmark = pytest.mark.once

BACKGROUND, TEXT = mlt_s.LABEL_MAP.str2int(["background", "text"])
UNCERTAIN = mlt_s.LABEL_MAP.ignore_index
WORDS = [
    {"quad": [[0, 0], [299, 0], [299, 99], [0, 99]], "transcription": "Haus", "readable": True},
    {"quad": [[0, 100], [299, 100], [299, 140], [0, 140]], "transcription": "###", "readable": False},
]


@pytest.fixture
def image():
    """Red where its words are, else grey."""
    image = Image.new("RGB", (400, 300), (120, 120, 120))
    image.paste((255, 0, 0), (0, 0, 300, 141))
    return image


def drawn(image, words=WORDS, count=20):
    return [synthetic_word(image, words, random.Random(f"seed {number}")) for number in range(count)]


def test_the_same_chance_draws_the_same_word_and_another_one_another(image):
    first, second = drawn(image), drawn(image)
    for one, other in zip(first, second):
        assert one["image"].tobytes() == other["image"].tobytes()
        assert one["label"].tobytes() == other["label"].tobytes() and one["quad"] == other["quad"]
    assert len({one["image"].tobytes() for one in first}) == len(first)


def test_image_label_map_and_quad_belong_together(image):
    for word in drawn(image):
        label = np.asarray(word["label"])
        assert word["image"].mode == "RGB" and word["image"].size == word["label"].size
        assert set(np.unique(label)) == {BACKGROUND, TEXT, UNCERTAIN}
        inside = word_mask([word["quad"]], word["label"].size)
        near = inside | np.roll(inside, 1, 0) | np.roll(inside, -1, 0) | np.roll(inside, 1, 1) | np.roll(inside, -1, 1)
        assert ((label == TEXT) & near).sum() >= 0.99 * (label == TEXT).sum()  # corners are between pixels


def test_the_map_is_that_of_the_glyphs_and_not_of_what_is_drawn_around_them(image, monkeypatch):
    """The same word, with and without what may surround it."""

    def with_surroundings(probability):
        monkeypatch.setattr(synthetic, "_AROUND", [(probability, around) for around in all_around])
        return [(np.asarray(word["label"]), word["image"].tobytes()) for word in drawn(image, count=5)]

    all_around = [around for _, around in synthetic._AROUND]
    assert len(all_around) == 5
    for (one, plain), (other, surrounded) in zip(with_surroundings(0), with_surroundings(1)):
        assert (one == other).all() and plain != surrounded


@pytest.mark.parametrize("around", [around for _, around in synthetic._AROUND], ids=lambda around: around.__name__[1:])
def test_what_is_drawn_around_a_word_is_seen_and_leaves_ground_to_be_seen(around):
    glyphs = Image.new("L", (200, 80))
    glyphs.paste(255, (40, 25, 160, 55))
    seen = [around(glyphs, 80, (0, 0, 0), (255, 255, 255), random.Random(number))[0] for number in range(20)]
    for mask in map(np.asarray, seen):
        off_glyphs = mask[np.asarray(glyphs) == 0]
        assert mask.shape == (80, 200) and (off_glyphs > 0).any() and (off_glyphs == 0).any()


def test_text_is_where_glyphs_cover_the_half_of_a_pixel(image, monkeypatch):
    covered, draw = [], synthetic._drawn

    def watched(*given):
        covered.append(draw(*given))
        return covered[-1]

    monkeypatch.setattr(synthetic, "_drawn", watched)
    for word, glyphs in zip(drawn(image), covered):
        coverage = np.asarray(glyphs.coverage)
        assert np.array_equal(np.asarray(word["label"]) == TEXT, coverage >= 128)
        assert ((0 < coverage) & (coverage < 255)).any()  # strokes have edges, so the half matters


def test_right_around_strokes_it_is_uncertain_and_nowhere_else():
    glyphs = Image.new("L", (30, 20))
    glyphs.paste(255, (10, 8, 20, 12))
    label = np.full((20, 30), BACKGROUND)
    label[6:14, 8:22] = UNCERTAIN
    label[8:12, 10:20] = TEXT
    assert np.array_equal(synthetic._label(glyphs), label)


def test_quads_reach_over_what_lies_around_the_glyphs_as_those_of_mlt_do(image):
    """Else no line near a word would ever lie in its box, and a network would not learn to leave it out."""
    shares = []
    for word in drawn(image):
        left, top, right, bottom = Image.fromarray(np.asarray(word["label"]) == TEXT).getbbox()
        extent = np.ptp(word["quad"], 0)
        shares.append(extent[1] / (bottom - top))
        assert extent[0] > right - left - 2 and extent[1] > bottom - top - 2
    assert max(shares) > 1.15


def test_backgrounds_show_no_word_of_the_image(image, monkeypatch):
    free = [synthetic._free_box(image.size, WORDS, (60, 40), random.Random(number)) for number in range(50)]
    found = [box for box in free if box]
    assert len(found) > 25
    assert all(not (np.asarray(image.crop(box)) == (255, 0, 0)).all(-1).any() for box in found)


def test_an_image_full_of_words_gets_made_up_colours():
    image = Image.new("RGB", (300, 200), (255, 0, 0))
    words = [{"quad": [[0, 0], [299, 0], [299, 199], [0, 199]], "transcription": "voll", "readable": True}]
    assert synthetic._free_box(image.size, words, (60, 40), random.Random(0)) is None
    assert all((np.asarray(word["label"]) == TEXT).any() for word in drawn(image, words, 5))


def test_no_words_and_a_tiny_image_will_do():
    assert all((np.asarray(word["label"]) == TEXT).any() for word in drawn(Image.new("RGB", (3, 2)), [], 10))


def test_a_font_has_a_glyph_only_where_it_draws_the_character():
    path = (font_files() or (None,))[0]
    assert not has_glyph(path, "\U0010ffff") and not has_glyph(path, "\ue83a")
    assert any(has_glyph(path, "a") for path in font_files() or (None,))


def test_what_no_font_has_is_drawn_as_latin_letters(image, monkeypatch):
    asked = []
    monkeypatch.setattr(synthetic, "_drawn", lambda text, path, rng: asked.append((text, path)) or 1 / 0)
    for number in range(10):
        with pytest.raises(ZeroDivisionError):
            synthetic_word(image, [{**WORDS[0], "transcription": "\U0010fffe\U0010fffd"}], random.Random(number))
    assert all(text.isascii() and text.isalnum() for text, _ in asked)


def test_without_fonts_of_the_system_that_of_pillow_serves(image, monkeypatch):
    monkeypatch.setattr(synthetic, "font_files", lambda: ())
    assert isinstance(synthetic._font(None, 20), ImageFont.FreeTypeFont)
    assert all((np.asarray(word["label"]) == TEXT).any() for word in drawn(image, count=5))
