"""Bootstrap intervals of figures, and verdicts on two models on the same images."""

import numpy as np
import pytest

from mlt_s_tools import bootstrap
from mlt_s_tools.bootstrap import DRAWS, iou, iou_difference, iou_interval, resampled

pytestmark = pytest.mark.once


def images(*shares):
    """Counts of images with 1,000 pixels of text each, of which the given numbers are found."""
    return np.array([[round(1000 * share), 0, 1000 - round(1000 * share), 0] for share in shares])


def test_an_interval_is_that_of_drawing_images_anew():
    shares = np.random.default_rng(1).normal(0.7, 0.1, 100)
    lower, upper = iou_interval(images(*shares))
    error = shares.std() / np.sqrt(100)
    assert lower == pytest.approx(shares.mean() - 1.96 * error, abs=0.004)
    assert upper == pytest.approx(shares.mean() + 1.96 * error, abs=0.004)


def test_it_is_the_same_in_any_order_of_the_images():
    pixels = images(*np.random.default_rng(1).normal(0.7, 0.1, 30))
    assert iou_interval(pixels) == iou_interval(pixels[::-1]) == iou_interval(np.roll(pixels, 7, 0))


def test_images_alike_have_an_interval_of_no_width_and_large_ones_count_for_more():
    assert iou_interval(images(*[0.8] * 9)) == [0.8, 0.8]
    several = np.vstack([images(*[0.5] * 9), [[100_000, 0, 0, 0]]])
    assert np.mean(iou(resampled(several))) > iou(several[:-1].sum(0)) + 0.25


def test_each_draw_is_of_as_many_images_as_there_are():
    sums = resampled(np.column_stack([np.ones(7), np.arange(7)]))
    assert sums.shape == (DRAWS, 2) and (sums[:, 0] == 7).all()
    assert sums[:, 1].mean() == pytest.approx(21, rel=0.02) and sums[:, 1].std() == pytest.approx(2 * 7**0.5, rel=0.05)


def test_draws_that_do_not_fit_into_memory_are_made_in_parts_and_are_the_same(monkeypatch):
    pixels = images(*np.random.default_rng(1).normal(0.7, 0.1, 30))
    at_once = resampled(pixels)
    for numbers in (1, 70, 30 * 999):
        monkeypatch.setattr(bootstrap, "IN_MEMORY", numbers)
        assert np.array_equal(resampled(pixels), at_once)


def test_an_interval_needs_six_images_with_pixels_to_count():
    empty = [[0, 0, 0, 99]] * 9
    assert iou_interval(np.vstack([images(*[0.8] * 5), empty])) is None
    assert iou_interval(np.vstack([images(*[0.8] * 6), empty])) == [0.8, 0.8]  # some draws are of empty images alone


@pytest.mark.parametrize(
    "one, other, verdict",
    [
        ([0.8] * 6, [0.7] * 6, "better"),
        ([0.7] * 6, [0.8] * 6, "worse"),
        ([0.8] * 5, [0.2] * 5, "too few images to say"),
        ([0.9, 0.5] * 5, [0.5, 0.9] * 5, "no difference shown"),
        ([0.8] * 6, [0.8] * 6, "no difference shown"),
        ([0.8] * 9 + [0.9], [0.8] * 9 + [0.8], "no difference shown"),  # ties, and ahead in one image
        # Paired: images differ far more from each other than the two models do.
        (np.linspace(0.2, 1, 11), np.linspace(0.16, 0.96, 11), "better"),
    ],
)
def test_better_is_said_only_where_the_interval_of_the_difference_excludes_0(one, other, verdict):
    found = iou_difference(images(*one), images(*other))
    assert found.verdict == verdict
    assert found.value == pytest.approx(np.mean(one) - np.mean(other), abs=0.002)
