"""The rule of the weak supervision, from words and probabilities of text to a label map."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from mlt_s_tools.weak.baseline import Baseline, FilledBox
from mlt_s_tools.weak.patches import Patch, of_readable
from mlt_s_tools.weak.rule import Thresholds, count_too_little, label_map
from mlt_s_tools.words import shorter_side, word_box, word_mask

pytestmark = pytest.mark.once

SIZE = WIDTH, HEIGHT = 30, 20
ALL = Thresholds(least_share=0)
SQUARE = [[5, 5], [14, 5], [14, 14], [5, 14]]
DIAMOND = [[15, 2], [23, 10], [15, 18], [7, 10]]


def word(quad=SQUARE, readable=True):
    return {"quad": quad, "readable": readable}


def flat(quad, value, size=SIZE, context=0.0):
    """A patch of one probability."""
    left, top, right, bottom = box = word_box(quad, size, context)
    return Patch(box, np.full((bottom - top, right - left), value, np.float32))


def drawn(quad, seed, size=SIZE, context=0.25):
    """A patch of random probabilities, many of them at thresholds; None if the word lies outside the image."""
    box = word_box(quad, size, context)
    if box is None:
        return None
    left, top, right, bottom = box
    some = np.float32([0, 0.1, 0.3, 0.5, 0.7, 0.72, 0.9, 1])
    return Patch(box, np.random.default_rng(seed).choice(some, (bottom - top, right - left)))


CORNERS = st.tuples(st.floats(-8, WIDTH + 8), st.floats(-8, HEIGHT + 8)).map(list)
WORDS = st.lists(st.tuples(st.lists(CORNERS, min_size=4, max_size=4), st.booleans(), st.integers(0, 9)), max_size=4)
SHARES = st.sampled_from([0, 0.02, 0.3, 0.5, 0.7, 0.72, 0.98, 1])
THRESHOLDS = st.tuples(SHARES, SHARES, st.sampled_from([0, 0.05, 0.5, 1])).map(
    lambda drawn: Thresholds(max(drawn[:2]), min(drawn[:2]), drawn[2])
)


def of_drawn(drawn_words):
    """Words and their patches."""
    words = [word(quad, readable) for quad, readable, _ in drawn_words]
    patches = [drawn(quad, seed) if readable else None for quad, readable, seed in drawn_words]
    return words, patches


def reference(words, patches, thresholds):
    """A reference implementation of the rule, pixel by pixel."""
    said = [[set() for _ in range(WIDTH)] for _ in range(HEIGHT)]
    for one, patch in zip(words, patches):
        mask = word_mask([one["quad"]], SIZE)
        places = [(x, y) for y in range(HEIGHT) for x in range(WIDTH) if mask[y, x]]
        if not one["readable"]:
            values = {place: "uncertain" for place in places}
        elif patch is not None:
            values = {(x, y): patch.values[y - patch.box[1], x - patch.box[0]] for x, y in places}
            values = {
                place: "text"
                if value >= np.float32(thresholds.upper)
                else "background"
                if value < np.float32(thresholds.lower)
                else "uncertain"
                for place, value in values.items()
            }
            if list(values.values()).count("text") < thresholds.least_share * len(places):
                values = dict.fromkeys(places, "uncertain")
        for x, y in places:
            said[y][x].add(values[x, y])
    names = [[next((n for n in ("text", "uncertain") if n in of), "background") for of in row] for row in said]
    return np.array([[{"text": 1, "uncertain": 255, "background": 0}[name] for name in row] for row in names], np.uint8)


# --- Words one by one ----------------------------------------------------------------------------------------------


def test_outside_words_is_background_and_inside_what_the_probability_says():
    values = np.full((20, 30), 0.99, np.float32)
    values[5:8, 5:15], values[8:11, 5:15] = 0.29, 0.5
    found = label_map(SIZE, [word()], [Patch((0, 0, 30, 20), values)], Thresholds())
    wanted = np.zeros((HEIGHT, WIDTH), np.uint8)
    wanted[8:11, 5:15], wanted[11:15, 5:15] = 255, 1
    assert found.dtype == np.uint8
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize(
    "value, wanted", [(0.7, 1), (0.6999, 255), (0.3, 255), (0.2999, 0), (1, 1), (0, 0)], ids=lambda value: str(value)
)
def test_a_threshold_belongs_to_what_lies_above_it(value, wanted):
    found = label_map(SIZE, [word()], [flat(SQUARE, value)], ALL)
    assert set(found[5:15, 5:15].ravel()) == {wanted}


def test_equal_thresholds_leave_nothing_uncertain():
    found = label_map(SIZE, [word()], [drawn(SQUARE, 1)], Thresholds(0.5, 0.5, 0))
    assert set(found.ravel()) == {0, 1}


def test_it_is_the_quadrilateral_and_not_the_rectangle_around_it():
    found = label_map(SIZE, [word(DIAMOND)], [flat(DIAMOND, 1, context=1)], Thresholds())
    assert np.array_equal(found == 1, word_mask([DIAMOND], SIZE))
    assert found[3, 8] == found[17, 22] == 0
    assert found[10, 15] == 1


def test_an_unreadable_word_is_uncertain_as_a_whole_without_a_look_at_it():
    found = label_map(SIZE, [word(DIAMOND, readable=False)], [None], Thresholds())
    assert np.array_equal(found == 255, word_mask([DIAMOND], SIZE))
    assert np.array_equal(found, label_map(SIZE, [word(DIAMOND, False)], [flat(DIAMOND, 1)], Thresholds()))


def test_a_word_with_too_little_text_is_uncertain_as_a_whole():
    values = np.zeros((10, 10), np.float32)  # of 100 pixels
    values[0, :4] = 1
    patch = Patch((5, 5, 15, 15), values)
    found = label_map(SIZE, [word()], [patch], Thresholds())
    assert set(found[5:15, 5:15].ravel()) == {255}
    assert count_too_little(SIZE, [word(), word(readable=False)], [patch, None], Thresholds()) == 1
    values[0, 4] = 1  # and now 5 of 100
    found = label_map(SIZE, [word()], [patch], Thresholds())
    assert np.count_nonzero(found == 1) == 5
    assert np.count_nonzero(found == 255) == 0
    assert count_too_little(SIZE, [word()], [patch], Thresholds()) == 0


def test_a_word_outside_the_image_says_nothing_and_one_half_outside_is_cut_off():
    away = [[-20, 2], [-10, 2], [-10, 8], [-20, 8]]
    half = [[25, 5], [40, 5], [40, 9], [25, 9]]
    assert word_box(away, SIZE, 5) is None
    found = label_map(SIZE, [word(away), word(half)], [None, flat(half, 1)], Thresholds())
    assert np.array_equal(np.argwhere(found), [[y, x] for y in range(5, 10) for x in range(25, 30)])


def test_where_words_overlap_text_wins_over_uncertain_and_uncertain_over_background():
    right = [[10, 5], [19, 5], [19, 14], [10, 14]]
    for first, second, wanted in ((1, 0.5, 1), (1, 0, 1), (0.5, 0, 255), (1, None, 1), (0, None, 255)):
        words = [word(), word(right, readable=second is not None)]
        patches = [flat(SQUARE, first), None if second is None else flat(right, second)]
        both = label_map(SIZE, words, patches, ALL)
        assert set(both[5:15, 10:15].ravel()) == {wanted}
        assert np.array_equal(both, label_map(SIZE, words[::-1], patches[::-1], ALL))


# --- In general ----------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(WORDS, THRESHOLDS)
def test_it_is_the_rule_of_each_pixel(drawn_words, thresholds):
    words, patches = of_drawn(drawn_words)
    assert np.array_equal(label_map(SIZE, words, patches, thresholds), reference(words, patches, thresholds))


@settings(max_examples=100, deadline=None)
@given(WORDS, THRESHOLDS, st.randoms())
def test_what_holds_of_any_words(drawn_words, thresholds, chance):
    words, patches = of_drawn(drawn_words)
    found = label_map(SIZE, words, patches, thresholds)
    assert found.shape == (HEIGHT, WIDTH)
    assert set(found.ravel()) <= {0, 1, 255}
    assert not found[~word_mask([one["quad"] for one in words], SIZE)].any()
    unreadable = word_mask([one["quad"] for one in words if not one["readable"]], SIZE)
    assert found[unreadable].all()
    order = list(range(len(words)))
    chance.shuffle(order)
    shuffled = label_map(SIZE, [words[at] for at in order], [patches[at] for at in order], thresholds)
    assert np.array_equal(found, shuffled)


@settings(max_examples=100, deadline=None)
@given(WORDS, THRESHOLDS, THRESHOLDS)
def test_higher_thresholds_never_give_more_text_nor_lower_ones_more_background(drawn_words, first, second):
    words, patches = of_drawn(drawn_words)
    low, high = sorted((first.upper, second.upper))
    of_low = label_map(SIZE, words, patches, Thresholds(low, 0, first.least_share))
    of_high = label_map(SIZE, words, patches, Thresholds(high, 0, first.least_share))
    assert not ((of_high == 1) & (of_low != 1)).any()
    low, high = sorted((first.lower, second.lower))
    of_low = label_map(SIZE, words, patches, Thresholds(1, low, first.least_share))
    of_high = label_map(SIZE, words, patches, Thresholds(1, high, first.least_share))
    assert not ((of_low == 0) & (of_high != 0)).any()
    assert np.array_equal(of_low == 1, of_high == 1)


# --- What it refuses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("upper, lower", [(0.3, 0.7), (1.1, 0.3), (0.7, -0.1), (float("nan"), 0.3)])
def test_thresholds_in_the_wrong_order_or_out_of_range_are_refused(upper, lower):
    with pytest.raises(ValueError, match=f"0 <= lower <= upper <= 1, not lower {lower} and upper {upper}"):
        Thresholds(upper, lower)


def test_a_least_share_out_of_range_is_refused():
    with pytest.raises(ValueError, match="from 0 to 1, not 5"):
        Thresholds(least_share=5)


@pytest.mark.parametrize(
    "patches, text",
    [
        ([], "0 patches and 1 words"),
        ([None], "no patch for the readable word"),
        ([flat([[5, 5], [9, 5], [9, 9], [5, 9]], 1)], "does not cover its word, which lies in"),
        ([Patch((5, 5, 15, 15), np.ones((9, 10), np.float32))], r"cannot have the shape \(9, 10\)"),
    ],
)
def test_patches_that_do_not_fit_the_words_are_refused(patches, text):
    with pytest.raises(ValueError, match=text):
        label_map(SIZE, [word()], patches, Thresholds())


# --- The box of a word ---------------------------------------------------------------------------------------------


def test_a_box_is_wider_by_a_part_of_the_shorter_side_and_ends_with_the_image():
    quad = [[4, 6], [24, 6], [24, 16], [4, 16]]
    assert shorter_side(quad) == 10
    assert word_box(quad, (100, 50), 0) == (4, 6, 25, 17)
    assert word_box(quad, (100, 50), 0.3) == (1, 3, 28, 20)
    assert word_box(quad, (26, 18), 1) == (0, 0, 26, 18)
    assert word_box([[3.5, 2.2]] * 4, (10, 10), 0) == (3, 2, 5, 4)


# --- Without a network ---------------------------------------------------------------------------------------------


def written(paper, ink):
    """A picture of one colour with a frame of another in it, that is text: 3 of 20 pixels of height."""
    picture = Image.new("RGB", (60, 40), paper)
    picture.paste(ink, (15, 12, 45, 28))
    picture.paste(paper, (18, 15, 42, 25))
    return picture


@pytest.mark.parametrize(
    "paper, ink",
    [("white", "black"), ("black", "white"), ((200, 40, 40), (40, 150, 40)), ((90, 90, 90), (110, 110, 110))],
)
def test_the_baseline_finds_what_differs_from_the_border_of_the_box(paper, ink):
    picture, quad = written(paper, ink), [[10, 8], [50, 8], [50, 32], [10, 32]]
    text = (np.asarray(picture) == np.asarray(Image.new("RGB", (1, 1), ink))[0, 0]).all(2)
    (patches,) = Baseline().probabilities([(picture, [quad])])
    assert patches[0].values.dtype == np.float32
    assert np.array_equal(label_map(picture.size, [word(quad)], patches, Thresholds()) == 1, text)


def test_where_a_box_holds_one_colour_the_baseline_does_not_know():
    picture = Image.new("RGB", SIZE, "grey")
    (patches,) = Baseline().probabilities([(picture, [SQUARE])])
    assert set(label_map(SIZE, [word()], patches, Thresholds())[5:15, 5:15].ravel()) == {255}


@pytest.mark.parametrize("model", [Baseline(), FilledBox()], ids=lambda model: model.name)
def test_models_answer_in_order_and_nothing_for_a_word_outside(model):
    pictures = [written("white", "black"), written("black", "white")]
    away = [[90, 90], [95, 90], [95, 95], [90, 95]]
    line = [[12, 20], [40, 20], [40, 20], [12, 20]]
    one, other = model.probabilities([(pictures[0], [SQUARE, away]), (pictures[1], [line, DIAMOND, SQUARE])])
    assert [patch and patch.box for patch in one] == [(5, 5, 15, 15), None]
    assert [patch.box for patch in other] == [(12, 20, 41, 21), (7, 2, 24, 19), (5, 5, 15, 15)]
    for patch in (one[0], *other):
        assert ((patch.values >= 0) & (patch.values <= 1)).all()
        assert not np.isnan(patch.values).any()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(CORNERS, min_size=4, max_size=4), max_size=4))
@example([[[5, -10], [-10, 5], [-25, -10], [-10, -25]]])  # turned, and only the rectangle around it meets the image
def test_models_answer_for_any_word_with_probabilities_that_the_rule_takes(quads):
    picture = written("white", "black").resize(SIZE)
    for model in Baseline(), FilledBox():
        (patches,) = model.probabilities([(picture, quads)])
        assert all(np.isfinite(patch.values).all() for patch in patches if patch)
        assert label_map(SIZE, list(map(word, quads)), patches, Thresholds()).shape == SIZE[::-1]


def test_a_filled_box_is_text_throughout():
    picture = written("white", "black")
    (patches,) = FilledBox().probabilities([(picture, [DIAMOND])])
    found = label_map(picture.size, [word(DIAMOND)], patches, Thresholds(1, 1, 1))
    assert np.array_equal(found == 1, word_mask([DIAMOND], picture.size))


def test_only_readable_words_are_asked_for():
    class Asked:
        def probabilities(self, examples):
            self.examples = examples
            return [list("ab"), ["c"], []]

    asked, picture = Asked(), written("white", "black")
    images = [[word("q1"), word("q2", False), word("q3")], [word("q4", False), word("q5")], [word("q6", False)]]
    assert of_readable(asked, [(picture, words) for words in images]) == [["a", None, "b"], [None, "c"], [None]]
    assert [quads for _, quads in asked.examples] == [["q1", "q3"], ["q5"], []]
