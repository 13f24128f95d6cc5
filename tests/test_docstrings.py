"""What the loading script says of itself: its worked examples hold, and what others build on is explained."""

import doctest
import inspect

import pytest

import mlt_s


def test_the_worked_examples_hold():
    results = doctest.testmod(mlt_s)
    assert results.attempted > 15 and results.failed == 0


@pytest.mark.once
def test_the_public_core_is_sorted_and_all_there():
    assert sorted(mlt_s.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name)) == mlt_s.__all__
    assert all(hasattr(mlt_s, name) for name in mlt_s.__all__)


@pytest.mark.once
@pytest.mark.parametrize("name", [name for name in mlt_s.__all__ if callable(getattr(mlt_s, name))])
def test_what_others_build_on_is_explained_and_annotated(name):
    thing = getattr(mlt_s, name)
    assert inspect.getdoc(thing)
    if inspect.isfunction(thing):
        hints = inspect.get_annotations(thing)
        assert set(hints) == {*inspect.signature(thing).parameters, "return"}
