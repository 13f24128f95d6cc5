"""`drawing`, the kit that draws the sample's pictures and the words of the network."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image, ImageDraw, ImageFont, features

sys.path.append(str(ROOT))  # it is run from a clone; all else is what was installed
from drawing import glyphs  # noqa: E402

pytestmark = pytest.mark.once


@pytest.mark.parametrize("text", ["Word", "jÅ,", "ffi", "|"])
@pytest.mark.parametrize("anchor", ["la", "ls", "mm"])
def test_ink_is_cut_to_what_is_inked_and_knows_where_it_belongs(text, anchor):
    font = ImageFont.load_default(40)
    ink, left, top = glyphs.inked(text, font, anchor=anchor)
    assert ink.getbbox() == (0, 0, *ink.size)
    page = Image.new("L", (400, 200))
    ImageDraw.Draw(page).text((150, 80), text, 255, font, anchor=anchor)
    found = np.zeros((200, 400), np.uint8)
    found[80 + top : 80 + top + ink.height, 150 + left : 150 + left + ink.width] = np.asarray(ink)
    assert np.array_equal(found, np.asarray(page))


def test_a_space_has_no_ink():
    assert glyphs.inked(" ", ImageFont.load_default(40)) is None


@pytest.mark.parametrize("missing, package", [("raqm", "libraqm0"), ("fribidi", "libfribidi0")])
def test_unshaped_text_is_refused_with_what_to_install(monkeypatch, missing, package):
    monkeypatch.setattr(features, "check", lambda name: name != missing)
    with pytest.raises(RuntimeError, match=f"{missing}.*{package}"):
        glyphs.check_shaping()
