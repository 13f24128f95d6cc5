"""What a newcomer sees first: the demo, and the pictures of examples."""

import platform
import re
import subprocess
import sys

import datasets
import numpy as np
import PIL
import pyarrow
import pytest
from conftest import ROOT
from PIL import Image

import mlt_s
import mlt_s_tools
from mlt_s_tools.cli import main
from mlt_s_tools.looking.demo import SHOWN
from mlt_s_tools.looking.preview import PANEL_SIZE, contact_sheet

GREY = (100, 100, 100)


def example(label):
    """A grey image with that label map, an array (height, width)."""
    label = Image.fromarray(np.asarray(label, np.uint8))
    return {"image_id": "img_1", "image": Image.new("RGB", label.size, GREY), "label": label}


def blank(width, height):
    return np.zeros((height, width), np.uint8)


def count_of(color, label):
    """How many pixels of a contact sheet have exactly that colour (some are in its legend)."""
    sheet = contact_sheet([("train  img_1", example(label))])
    return int((np.asarray(sheet) == color).all(axis=2).sum())


def test_overlay_at_full_strength_is_the_published_colours_over_the_image():
    picture = mlt_s_tools.overlay(example([[0, 1, 255]]), strength=1)
    assert np.asarray(picture).tolist() == [[list(GREY), [255, 0, 0], [255, 222, 0]]]


def test_overlay_lets_the_image_through():
    picture = mlt_s_tools.overlay(example([[0, 1]]), strength=0.5)
    assert np.asarray(picture).tolist() == [[list(GREY), [178, 50, 50]]]


def test_overlay_refuses_what_is_no_pair():
    with pytest.raises(ValueError, match="2 x 1, its label map 3 x 1"):
        mlt_s_tools.overlay({"image": Image.new("RGB", (2, 1)), "label": Image.new("L", (3, 1))})
    with pytest.raises(ValueError, match="'segmentation'"):
        mlt_s_tools.overlay({"image_id": "img_1", "label": Image.new("L", (3, 1))})
    with pytest.raises(ValueError, match="254"):
        mlt_s_tools.overlay(example([[0, 254]]))
    with pytest.raises(ValueError, match="strength"):
        mlt_s_tools.overlay(example([[0, 1]]), strength=2)


def test_contact_sheet_shows_the_label_map_in_the_published_colours():
    label = blank(*PANEL_SIZE)
    label[50:60, 50:70] = 1
    label[80:90, 50:80] = 255
    assert count_of((255, 0, 0), label) - count_of((255, 0, 0), blank(*PANEL_SIZE)) == 200
    assert count_of((255, 222, 0), label) - count_of((255, 222, 0), blank(*PANEL_SIZE)) == 300


def test_contact_sheet_keeps_thin_strokes_visible():
    label = blank(16 * PANEL_SIZE[0], 16 * PANEL_SIZE[1])
    label[:, 1000] = 1
    pixels = np.asarray(contact_sheet([("train  img_1", example(label))]), int)
    reddish = (pixels[..., 0] >= 60) & (pixels[..., 1] == 0) & (pixels[..., 2] == 0)
    assert reddish.all(axis=1).sum() == 0 and reddish.sum() >= PANEL_SIZE[1]


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (7, 5)])
def test_contact_sheet_takes_pictures_of_any_shape(size):
    assert contact_sheet([("train  img_1", example(blank(*size)))]).mode == "RGB"


def test_contact_sheet_grows_by_rows_of_two():
    sizes = [contact_sheet([("img", example(blank(8, 6)))] * count).size for count in (1, 2, 3, 4)]
    assert sizes[0][0] < sizes[1][0] == sizes[2][0] == sizes[3][0]
    assert sizes[0][1] == sizes[1][1] < sizes[2][1] == sizes[3][1]


def test_contact_sheet_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])


def test_demo_says_what_came_out_and_draws_it(tmp_path, capsys):
    out = tmp_path / "picture.png"
    assert main(["demo", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    for words in ("train        14 examples", "validation    6 examples", "1 text; 255 uncertain", str(out)):
        assert words in said
    assert all(re.search(rf"^{split} +{name} ", said, re.MULTILINE) for split, names in SHOWN.items() for name in names)
    with Image.open(out) as picture:
        assert picture.format == "PNG"


def test_demo_that_cannot_write_its_picture_says_so(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "missing" / "picture.png")]) == 2
    assert "missing" in capsys.readouterr().err


def test_demo_ends_quietly_when_its_reader_leaves(tmp_path):
    code = "from mlt_s_tools.cli import main; raise SystemExit(main(['demo', '--out', 'picture.png']))"
    demo = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    demo.stdout.close()
    assert "BrokenPipe" not in demo.stderr.read().decode()
    demo.stderr.close()
    assert demo.wait() == 0


# --- What a bug report needs ---------------------------------------------------------------------------------------


def test_the_version_stands_in_one_place():
    from setuptools.config.pyprojecttoml import read_configuration

    assert re.fullmatch(r"\d+\.\d+\.\d+", mlt_s.__version__)
    packaged = read_configuration(ROOT / "pyproject.toml")["project"]["version"]
    assert mlt_s.__version__ == mlt_s_tools.__version__ == packaged


def test_the_command_says_the_versions_that_a_bug_report_needs(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    said = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0
    assert said[0] == f"mlt-s {mlt_s.__version__}"
    assert said[1].startswith(f"Python {platform.python_version()} on ")
    for module, name in (datasets, "datasets"), (np, "numpy"), (PIL, "pillow"), (pyarrow, "pyarrow"):
        assert f"{name} {module.__version__}" in said
