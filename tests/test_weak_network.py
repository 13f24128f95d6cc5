"""The network for weak supervision: its file, its two engines, its crops of words, and the filter of edges."""

from __future__ import annotations

import math
import pydoc
import resource
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from networks import dark_text, drawn, write_network
from PIL import Image

import mlt_s
from mlt_s_tools import weak
from mlt_s_tools.weak import edges, framing, model, torch_network
from mlt_s_tools.weak.baseline import Baseline, FilledBox, Sauvola
from mlt_s_tools.weak.network import SHAPES, Network, read_weights, write_weights
from mlt_s_tools.words import word_box, word_mask

pytestmark = pytest.mark.once


@pytest.fixture
def path(tmp_path):
    return write_network(tmp_path / "network.npz")


@pytest.fixture(scope="module")
def trained():
    """Weights as after training: of a module whose batch norms have statistics, folded."""
    torch.manual_seed(0)
    module = torch_network.Network()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.3, 2)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.normal_(part.bias, 0, 0.1)
        if isinstance(part, torch.nn.Linear):
            torch.nn.init.normal_(part.weight, 0, 0.05)
    return module.eval(), torch_network.folded(module)


def crops(*shape, seed=0):
    seen = np.random.default_rng(seed).normal(0, 1, (*shape, 4)).astype(np.float32)
    seen[..., 3] = 0
    seen[:, 8:-8, 10:-10, 3] = 1
    return seen


# --- The two engines -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(32, 32), (80, 160), (160, 48)])
def test_numpy_says_what_the_trained_module_says(trained, shape):
    module, weights = trained
    seen = crops(2, *shape)
    with torch.inference_mode():
        wanted = torch.sigmoid(module(torch.from_numpy(seen).permute(0, 3, 1, 2))).numpy()
    found = framing.probabilities(Network({name: np.float32(of) for name, of in weights.items()})(seen))
    assert wanted.std() > 0.01
    assert np.abs(found - wanted).max() < 1e-3  # weights of 16 bits


def test_an_engine_is_as_good_as_the_other(trained, tmp_path):
    with open(tmp_path / "network.npz", "wb") as file:
        write_weights(file, trained[1])
    picture, _, quad = drawn()
    turned = [[30, 60], [120, 20], [130, 45], [40, 85]]
    answers = {
        engine: model.NetworkModel(tmp_path / "network.npz", engine=engine).probabilities([(picture, [quad, turned])])
        for engine in ("numpy", "torch cpu")
    }
    for one, other in zip(*(of[0] for of in answers.values())):
        assert one.box == other.box and one.values.std() > 0.001
        assert np.abs(one.values - other.values).max() < 1e-3


def test_what_is_said_of_a_crop_does_not_depend_on_the_others(trained):
    network = Network({name: np.float32(of) for name, of in trained[1].items()})
    seen = np.concatenate([crops(1, 48, 64, seed=seed) for seed in range(3)])
    assert np.array_equal(network(seen)[1], network(seen[1:2])[0])


def test_the_engine_is_part_of_the_record_and_numpy_where_there_is_no_pytorch(path, monkeypatch):
    assert model.NetworkModel(path).record["engine"].startswith("torch ")
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    assert model.NetworkModel(path).record["engine"] == "numpy"
    assert model.NetworkModel(path).probabilities([(drawn()[0], [drawn()[2]])])[0][0].values.max() > 0.9


# --- The file ------------------------------------------------------------------------------------------------------


def test_weights_come_back_as_they_were_written_and_in_the_same_bytes(trained, tmp_path):
    files = []
    for name in ("a", "b"):
        with open(tmp_path / name, "wb") as file:
            write_weights(file, trained[1])
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1] and len(files[0]) < 3_000_000
    read = read_weights(tmp_path / "a")
    assert read.keys() == trained[1].keys() == SHAPES.keys()
    assert all(np.array_equal(read[name], np.float32(trained[1][name])) for name in SHAPES)


def saved(path, change=lambda arrays: None, **options):
    """A file of weights as np.savez writes it, with a change."""
    arrays = {name: of.astype(np.float16) for name, of in dark_text().items()}
    change(arrays)
    np.savez(path, **arrays)
    return path


def test_a_file_of_numpys_own_is_read(tmp_path):
    read = read_weights(saved(tmp_path / "network.npz"))
    assert read["o.b"].tolist() == [-4] * 4


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda arrays: arrays.pop("o.b"), "'o.b.npy'"),
        (lambda arrays: arrays.update(more=np.zeros(3)), "'more.npy'"),
        (lambda arrays: arrays.update({"o.b": np.zeros(5, np.float16)}), "o.b is float16 (5,), not float16 (4,)"),
        (lambda arrays: arrays.update({"o.b": np.zeros(4, np.float32)}), "o.b is float32 (4,), not float16 (4,)"),
        (lambda arrays: arrays.update({"o.b": np.full(4, np.nan, np.float16)}), "that is not a number"),
        (lambda arrays: arrays.update({"o.b": np.array([print, 1, 2, 3], object)}), "o.b is "),
        (lambda arrays: arrays.update({"o.b": np.zeros(10**6, np.float16)}), "it has more than"),
    ],
)
def test_weights_of_another_kind_are_refused_and_named(tmp_path, change, text):
    path = saved(tmp_path / "network.npz", change)
    with pytest.raises(mlt_s.MltSError, match="holds no readable weights") as raised:
        read_weights(path)
    assert text in str(raised.value) and str(path) in str(raised.value)


def test_a_member_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path, path):
    with zipfile.ZipFile(path) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    header = members["e1.0.b.npy"][:128]
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            with opened.open(name, "w", force_zip64=True) as file:
                file.write(content if name != "e1.0.b.npy" else header)
                for _ in range(64 if name == "e1.0.b.npy" else 0):
                    file.write(bytes(1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(mlt_s.MltSError, match="e1.0.b is too large"):
        read_weights(tmp_path / "bomb.npz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # KiB


def test_a_damaged_file_is_one_error_wherever_it_is_damaged(path, tmp_path):
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for place in [*rng.integers(0, len(whole), 25), *range(len(whole) - 40, len(whole), 7)]:
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        (tmp_path / "damaged.npz").write_bytes(damaged)
        try:
            read_weights(tmp_path / "damaged.npz")  # in a header's date nothing is lost
        except mlt_s.MltSError as error:
            assert "damaged.npz" in str(error)
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        (tmp_path / "damaged.npz").write_bytes(whole[:length])
        with pytest.raises(mlt_s.MltSError, match="holds no readable weights"):
            read_weights(tmp_path / "damaged.npz")


def test_weights_that_overflow_say_not_sure(tmp_path):
    write_network(tmp_path / "network.npz", gain=60000, bias=-60000)
    logits = Network({**read_weights(tmp_path / "network.npz"), "s.1.0.b": np.full(24, 3e38, np.float32)})(
        crops(1, 32, 32)
    )
    picture, _, quad = drawn()
    frame = framing.frame(quad, picture.size)
    values = framing.restored(np.full(frame.size[::-1], np.nan, np.float32), frame, word_box(quad, picture.size, 0))
    assert not np.isfinite(logits).all() and np.all(values == 0.5)


# --- Opening a model -----------------------------------------------------------------------------------------------


def test_without_a_name_it_is_the_network_that_ships(path, monkeypatch):
    monkeypatch.setattr(weak, "SHIPPED", str(path))
    assert weak.open_model().name.startswith("network ") and weak.open_model("baseline").name == "baseline"


def test_a_package_without_its_network_says_so_and_takes_nothing_else_in_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(weak, "SHIPPED", str(tmp_path / "network.npz"))
    with pytest.raises(mlt_s.MltSError, match=r"network.npz, the network that ships with mlt-s, is missing: install"):
        weak.open_model()


def test_a_folder_of_an_earlier_kind_or_of_other_weights_is_refused(tmp_path):
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "weak.json").write_text('{"weights": "00", "corrects": "baseline"}')
    with pytest.raises(mlt_s.MltSError, match="there is no network.npz beside weak.json: earlier versions of mlt-s"):
        weak.open_model(folder)
    write_network(folder / "network.npz")
    with pytest.raises(mlt_s.MltSError, match="network.npz is not the file that weak.json was written for"):
        weak.open_model(folder)
    for text, said in (
        ('{"weights": 5}', "weights is not text"),
        ('{"weights": "0', ""),
        ("[]", "it is not an object"),
    ):
        (folder / "weak.json").write_text(text)
        with pytest.raises(mlt_s.MltSError, match=f"does not hold a readable network .*{said}"):
            weak.open_model(folder)


# --- What models take ----------------------------------------------------------------------------------------------

SQUARE = [[20, 10], [120, 10], [120, 70], [20, 70]]


@pytest.fixture(params=[model.NetworkModel, Baseline, FilledBox, Sauvola], ids=lambda kind: kind.__name__)
def any_model(request, path):
    return request.param(path) if request.param is model.NetworkModel else request.param()


def test_an_image_of_another_mode_is_refused_with_what_to_do(any_model):
    right = drawn()[0]
    for mode in ("1", "L", "LA", "P", "RGBA", "RGBX", "CMYK", "HSV", "YCbCr", "LAB", "I", "F", "I;16"):
        with pytest.raises(ValueError) as refused:
            any_model.probabilities([(right, [SQUARE]), (Image.new(mode, (200, 90)), [SQUARE])])
        assert f"Image 1 has mode {mode}:" in str(refused.value) and 'image.convert("RGB")' in str(refused.value)
        assert ("scaling" in str(refused.value)) == (mode in ("I", "F", "I;16"))
    ((patch,),) = any_model.probabilities([(Image.new("P", (200, 90)).convert("RGB"), [SQUARE])])
    assert patch.box == (20, 10, 121, 71)


def test_an_image_that_is_an_array_is_refused(any_model):
    with pytest.raises(ValueError, match="Image 0 is of type ndarray.*fromarray"):
        any_model.probabilities([(np.asarray(drawn()[0]), [SQUARE])])


def test_what_is_not_four_corners_is_refused_and_named(any_model):
    right = drawn()[0]
    for wrong in (
        SQUARE[:3],
        [*SQUARE, [20, 40]],
        [20, 10, 120, 10, 120, 70, 20, 70],
        [[x, y, 0] for x, y in SQUARE],
        [*SQUARE[:3], [20]],
        [*SQUARE[:3], [20, math.nan]],
        [*SQUARE[:3], [math.inf, 70]],
        [*SQUARE[:3], [20, None]],
        [*SQUARE[:3], ["20", "70"]],
        [],
        None,
        SQUARE[0],
    ):
        with pytest.raises(ValueError) as refused:
            any_model.probabilities([(right, []), (right, [SQUARE, wrong])])
        assert f"Quadrilateral 1 of image 1 is {wrong!r}: expected the four corners" in str(refused.value)


def test_corners_are_lists_tuples_or_arrays_alike(any_model):
    picture = drawn()[0]
    for quads in [[SQUARE]], [[tuple(map(tuple, SQUARE))]], [np.array([SQUARE], np.float32)], [np.array([SQUARE])]:
        ((patch,),) = any_model.probabilities([(picture, *quads)])
        assert patch.box == (20, 10, 121, 71)
        assert np.array_equal(patch.values, any_model.probabilities([(picture, [SQUARE])])[0][0].values)
    ((generated,),) = any_model.probabilities(pair for pair in [(picture, [SQUARE])])
    assert np.array_equal(generated.values, patch.values)


def test_help_on_a_model_says_what_it_takes_and_gives(any_model):
    said = pydoc.render_doc(any_model.probabilities)
    for fact in ('mode "RGB"', "four corners (x, y)", "float32 (bottom - top, right - left)", "None", "ValueError"):
        assert fact in said


@pytest.mark.parametrize("wrong", [42, b"network", ["baseline"]])
def test_what_cannot_name_a_model_is_refused_as_a_model(wrong):
    with pytest.raises(mlt_s.MltSError) as refused:
        weak.open_model(wrong)
    said = str(refused.value)
    assert repr(wrong) in said and "'baseline'" in said and "mlt-s weak train" in said
    assert "data_dir" not in said and "label_maps" not in said


# --- How it sees words ---------------------------------------------------------------------------------------------


def turned(picture, mask, quad, degrees):
    """The same word in a picture that is turned."""
    width, height = picture.size
    centre = np.array([width / 2, height / 2])
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    corners = (np.array(quad) + 0.5 - centre) @ turn.T + centre - 0.5
    options = {"resample": Image.Resampling.BICUBIC}
    shown = picture.rotate(degrees, fillcolor=picture.getpixel((0, 0)), **options)
    return shown, np.asarray(Image.fromarray(np.uint8(255 * mask)).rotate(degrees, **options)) > 127, corners.tolist()


def iou(found, wanted):
    return np.count_nonzero(found & wanted) / np.count_nonzero(found | wanted)


CASES = [
    *[(font, 0) for font in (12, 20, 40, 64, 160)],
    *[(font, degrees) for font in (20, 40, 100) for degrees in (2, 8, -20, 45, 90)],
]


@pytest.mark.parametrize("engine", ["numpy", "torch cpu"])
@pytest.mark.parametrize("font, degrees", CASES)
def test_text_is_found_pixel_on_pixel_whatever_the_size_and_slant_of_the_word(path, font, degrees, engine):
    side = 5 * font
    picture, mask, quad = turned(*drawn("Word", size=(side, side), at=(font, 2 * font), font=font), degrees)
    ((patch,),) = model.NetworkModel(path, engine=engine).probabilities([(picture, [quad])])
    left, top, right, bottom = patch.box
    found = np.zeros(mask.shape, bool)
    found[top:bottom, left:right] = patch.values >= 0.5
    inside = word_mask([quad], picture.size)
    least = {12: 0.7, 20: 0.82}.get(font, 0.9) - (0.12 if degrees % 90 else 0)
    assert iou(found & inside, mask & inside) > least
    for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):  # and nowhere better than where it is
        assert iou(found & inside, np.roll(mask, (y, x), (0, 1)) & inside) < iou(found & inside, mask & inside)


@pytest.mark.parametrize(
    "ink, paper", [("black", "white"), ((60, 20, 20), (120, 200, 255)), ((118, 118, 118), (130, 130, 130))]
)
def test_colours_count_in_deviations_from_the_words_own(path, ink, paper):
    picture, mask, quad = drawn(ink=ink, paper=paper)
    ((patch,),) = model.NetworkModel(path).probabilities([(picture, [quad])])
    left, top, right, bottom = patch.box
    assert iou(patch.values >= 0.5, mask[top:bottom, left:right]) > 0.85


def test_a_word_that_reaches_out_of_the_image_is_seen_with_the_border_repeated(path):
    picture, mask, quad = drawn(at=(-18, -6))
    ((patch,),) = model.NetworkModel(path).probabilities([(picture, [quad])])
    left, top, right, bottom = patch.box
    assert (left, top) == (0, 0)
    assert iou(patch.values >= 0.5, mask[top:bottom, left:right]) > 0.85


@pytest.mark.parametrize(
    "quad",
    [
        [[-1e6, -1e6], [1e6, -1e6], [1e6, 1e6], [-1e6, 1e6]],
        [[5, 5], [1e6, 5], [1e6, 6], [5, 6]],
        [[5, 5], [90, 80], [90, 81], [5, 6]],
        [[5, 5], [90, 80], [90, 5], [5, 80]],
        [[50, 50]] * 4,
        [[-500, -400], [700, 500], [690, 520], [-510, -380]],
        [[1e300, 1e300], [-1e300, 1e300], [-1e300, -1e300], [1e300, -1e300]],
    ],
)
def test_any_quadrilateral_has_an_answer_in_bounded_memory(path, quad):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (100, 120, 3), np.uint8))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ((patch,),) = model.NetworkModel(path).probabilities([(picture, [quad])])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 900_000  # KiB
    left, top, right, bottom = patch.box
    assert patch.values.shape == (bottom - top, right - left) and np.isfinite(patch.values).all()
    assert ((patch.values >= 0) & (patch.values <= 1)).all()


CORNER = st.tuples(st.floats(-90, 90), st.floats(-90, 90)).map(list)


@settings(max_examples=150, deadline=None)
@example((1, 150), [[3, 81], [11, 4], [-14, 40], [-6, 50]], 1.0)  # of whose crop the image is next to nothing
@given(
    st.tuples(st.sampled_from([1, 2, 7, 60]), st.sampled_from([1, 3, 40, 150])),
    st.lists(CORNER, min_size=4, max_size=4),
    st.sampled_from([0.01, 0.3, 1.0, 100.0]),
)
def test_any_word_of_any_image_is_framed_and_comes_back(size, quad, scale):
    quad = [[scale * x, scale * y] for x, y in quad]
    box = word_box(quad, size, 0)
    if box is None:
        return
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8))
    frame = framing.frame(quad, size)
    crop = framing.crop(picture, frame)
    assert crop.shape == (*frame.size[::-1], 4) and np.isfinite(crop).all()
    assert all(side % 16 == 0 for side in frame.size) and math.prod(frame.size) < 1.3 * framing.MOST_PIXELS
    assert ((crop[..., 3] >= 0) & (crop[..., 3] <= 1)).all()
    values = framing.restored(crop[..., 0], frame, box)
    values = edges.sharpened(np.asarray(picture.crop(box)), values, 10)
    assert values.shape == (box[3] - box[1], box[2] - box[0])
    assert ((values >= 0) & (values <= 1)).all()


def test_a_word_outside_has_no_answer_and_the_others_keep_their_places(path):
    picture, _, quad = drawn()
    away = [[900, 900], [950, 900], [950, 940], [900, 940]]
    one, other = model.NetworkModel(path).probabilities([(picture, [away, quad, quad]), (picture, [])])
    assert one[0] is None and other == []
    assert np.array_equal(one[1].values, one[2].values)


def test_a_crop_has_the_word_at_one_size_in_frames_of_sixteen_pixels():
    for degrees in (0, 30, 90):
        for font in (12, 40, 100):
            _, _, quad = turned(*drawn("Wide word", size=(8 * font, 8 * font), at=(font, 3 * font), font=font), degrees)
            frame = framing.frame(quad, (8 * font, 8 * font))
            sides = np.hypot(*(np.roll(frame.corners, -1, 0) - frame.corners).T)
            assert min(sides) == pytest.approx(48, abs=0.1)
            assert all(side % 16 == 0 for side in frame.size)
            assert abs(np.diff(frame.corners[:2, 1])[0]) < 0.1 or abs(np.diff(frame.corners[:2, 0])[0]) < 0.1
    assert max(framing.frame([[0, 0], [9000, 0], [9000, 9], [0, 9]], (9999, 99)).size) <= framing.LONGEST + 16


# --- Edges ---------------------------------------------------------------------------------------------------------


def guided_by_windows(guide, values, radius):
    """A guided filter, window by window, by least squares."""
    height, width = values.shape
    slopes = np.zeros((height, width, 4))
    windows = {
        (y, x): np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
        for y in range(height)
        for x in range(width)
    }
    for place, window in windows.items():
        colors, found = guide[window].reshape(-1, 3), values[window].ravel()
        covariance = np.cov(colors.T, bias=True) + 0.015 * np.eye(3)
        slope = np.linalg.solve(covariance, (colors * found[:, None]).mean(0) - colors.mean(0) * found.mean())
        slopes[place] = [*slope, found.mean() - slope @ colors.mean(0)]
    means = np.array([slopes[window].reshape(-1, 4).mean(0) for window in windows.values()]).reshape(height, width, 4)
    return (means[..., :3] * guide).sum(2) + means[..., 3]


@pytest.mark.parametrize("side, radius", [(10, 1), (25, 2), (40, 3)])
def test_it_is_the_guided_filter(side, radius):
    rng = np.random.default_rng(0)
    colors = rng.integers(0, 256, (14, 17, 3), np.uint8)
    values = rng.random((14, 17)).astype(np.float32)
    guide = colors - colors.mean((0, 1))
    guide /= np.sqrt((guide**2).mean())
    wanted = np.clip(guided_by_windows(guide, values, radius), 0.002, 0.998)
    wanted = 1 / (1 + ((1 - wanted) / wanted) ** 2 * np.exp(-0.5))
    assert np.abs(edges.sharpened(colors, values, side) - wanted).max() < 1e-4


@pytest.mark.parametrize("font", [30, 200, 400])
def test_probabilities_from_afar_get_the_edges_of_the_picture(font):
    picture, mask, quad = drawn("ab", size=(3 * font, 2 * font), at=(font // 2, font // 3), font=font)
    height, width = mask.shape
    small = Image.fromarray(mask.astype(np.float32)).reduce(max(3, font // 24))
    coarse = np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))
    sharp = edges.sharpened(np.asarray(picture), coarse, 0.6 * font)
    assert sharp.shape == mask.shape and sharp.dtype == np.float32
    assert iou(sharp >= 0.5, mask) > max(0.8, iou(coarse >= 0.5, mask) + 0.03)


def test_a_picture_of_one_colour_has_no_edges():
    values = np.full((20, 30), 0.5, np.float32)
    found = edges.sharpened(np.full((20, 30, 3), 77, np.uint8), values, 20)
    assert np.allclose(found, 1 / (1 + np.exp(-0.5)), atol=1e-5)
