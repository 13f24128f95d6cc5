"""The network as `mlt-s weak label` asks it: patches of words, whatever batch they fall into, and its folder."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import SegformerConfig, SegformerForSemanticSegmentation

import mlt_s
from mlt_s_tools.weak import network as module
from mlt_s_tools.weak import open_model
from mlt_s_tools.weak.baseline import Baseline
from mlt_s_tools.weak.correction import margins
from mlt_s_tools.weak.crops import CHANNELS, Framing, hint
from mlt_s_tools.weak.network import Network
from mlt_s_tools.weak.patches import word_box
from mlt_s_tools.weak.rule import probabilities_in, word_region

pytestmark = pytest.mark.once

FLAT = [[20, 20], [119, 24], [118, 53], [19, 49]]
UPRIGHT = [[200, 10], [229, 10], [229, 139], [200, 139]]
TURNED = [[130, 60], [180, 110], [166, 124], [116, 74]]
OUTSIDE = [[400, 10], [440, 10], [440, 30], [400, 30]]
LONG = [[0, 150], [299, 150], [299, 153], [0, 153]]
AT_THE_EDGE = [[-20, 170], [30, 170], [30, 230], [-20, 230]]
QUADS = [FLAT, UPRIGHT, TURNED, OUTSIDE, LONG, AT_THE_EDGE]


@pytest.fixture
def network():
    torch.manual_seed(0)
    config = SegformerConfig(
        num_channels=CHANNELS, num_labels=2, num_encoder_blocks=2, depths=[1, 1], strides=[2, 2], patch_sizes=[3, 3],
        sr_ratios=[4, 2], hidden_sizes=[8, 16], num_attention_heads=[1, 1], mlp_ratios=[2, 2], decoder_hidden_size=8,
    )  # fmt: skip
    return Network(
        SegformerForSemanticSegmentation(config),
        Framing(),
        (0.5,) * 3,
        (0.25,) * 3,
        {"trained_on": {"train": ["img_1"]}},
    )


@pytest.fixture
def image():
    noise = np.random.default_rng(0).integers(0, 256, (50, 75, 3), np.uint8)
    return Image.fromarray(noise).resize((300, 200))


def test_each_word_gets_a_patch_that_covers_it(network, image):
    (patches,) = network.probabilities([(image, QUADS)])
    for quad, patch in zip(QUADS, patches):
        if quad is OUTSIDE:
            assert patch is None
            continue
        left, top, right, bottom = patch.box
        own = word_box(quad, image.size, 0)
        assert left <= own[0] and top <= own[1] and own[2] <= right and own[3] <= bottom
        assert 0 <= left and 0 <= top and right <= 300 and bottom <= 200
        assert patch.values.shape == (bottom - top, right - left) and patch.values.dtype == np.float32
        assert 0 <= patch.values.min() and patch.values.max() <= 1


def test_what_is_said_of_a_word_does_not_depend_on_those_that_come_with_it(network, image, monkeypatch):
    other = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    together = network.probabilities([(image, QUADS), (other, QUADS[::-1]), (other, [])])
    monkeypatch.setattr(module, "_MOST_PIXELS", 1)  # one word at a time
    alone = [network.probabilities([one])[0] for one in [(image, QUADS), (other, QUADS[::-1]), (other, [])]]
    assert len(together) == len(alone) == 3 and together[2] == []
    for one, same in zip(sum(together, []), sum(alone, [])):
        assert (one is None) == (same is None)
        if one:
            assert one.box == same.box
            np.testing.assert_allclose(one.values, same.values, atol=1e-5)


def test_a_word_and_its_negative_in_other_colours_are_seen_alike(network):
    """The mean of the views is taken of all colours, so a network has to have seen the negative as it would be."""
    colors = np.random.default_rng(0).random((3, 32, 64), np.float32)
    mean, std = (np.array(values, np.float32).reshape(3, 1, 1) for values in (network.mean, network.std))
    crop, negative = (np.concatenate([(of - mean) / std, np.zeros((1, 32, 64))]) for of in (colors, 1 - colors))
    views, of_negative = network._views(crop.astype(np.float32)), network._views(negative.astype(np.float32))
    assert len(views) == module._VIEWS and (views[0] == crop).all()
    np.testing.assert_allclose(views[1], crop[[1, 2, 0, 3]])
    np.testing.assert_allclose(views[2:] + views[:2], of_negative, atol=1e-5)


def test_words_are_scaled_by_their_shorter_side():
    framing = Framing(context=0, least=32, greatest=64, longest=1024)
    for quad, scale in ((UPRIGHT, 32 / 29), ([[0, 0], [99, 0], [99, 128], [0, 128]], 64 / 99)):
        assert framing.scale(quad, framing.box(quad, (300, 200))) == pytest.approx(scale)
    assert framing.scale([[0, 0], [90, 0], [90, 50], [0, 50]], (0, 0, 91, 51)) == 1
    assert max(framing.size(LONG, framing.box(LONG, (300, 200)))) == 1024


def test_the_hint_is_the_baseline_within_the_word():
    crop = Image.new("RGB", (40, 20), "white")
    crop.paste((0, 0, 0), (15, 8, 25, 12))
    values = np.asarray(hint(crop, [[10, 5], [30, 5], [30, 15], [10, 15]]))
    assert (values[8:12, 15:25] > 250).all() and values[6, 12] < 10 and values[1, 1] == 128


def test_a_saved_network_says_the_same_when_it_is_loaded(network, image, tmp_path):
    network.save(tmp_path / "net")
    loaded = open_model(tmp_path / "net")
    assert loaded.record == network.record and loaded.name == network.name
    assert len(loaded.name) == len("network ") + 8 and loaded.record["trained_on"] == {"train": ["img_1"]}
    for one, other in zip(*(each.probabilities([(image, QUADS)])[0] for each in (network, loaded))):
        assert (one is None and other is None) or (one.values == other.values).all()


@pytest.mark.parametrize(
    "damage, told",
    [
        (lambda folder: (folder / "weak.json").write_text("{"), "JSONDecodeError"),
        (lambda folder: (folder / "weak.json").write_text("{}"), "KeyError: 'weights'"),
        (lambda folder: (folder / "model.safetensors").unlink(), "FileNotFoundError"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x"), "is not the file that weak.json was written"),
    ],
)
def test_a_damaged_folder_is_told_with_what_to_do(network, tmp_path, damage, told):
    network.save(tmp_path / "net")
    damage(tmp_path / "net")
    with pytest.raises(mlt_s.MltSError) as error:
        Network.load(tmp_path / "net")
    assert str(error.value).startswith(f"{tmp_path / 'net'} holds no network that can be read (") and told in str(
        error.value
    )
    assert str(error.value).endswith("mlt-s weak train DATA_DIR MODEL, with a new folder as MODEL.")


def test_a_network_of_an_earlier_kind_is_refused_and_not_read_as_one_of_this_kind(network, tmp_path):
    network.save(tmp_path / "net")
    record = json.loads((tmp_path / "net" / "weak.json").read_text())
    assert record.pop("corrects") == "baseline"
    (tmp_path / "net" / "weak.json").write_text(json.dumps(record))
    with pytest.raises(mlt_s.MltSError, match="of a network that does not correct the baseline, .* or train anew:"):
        Network.load(tmp_path / "net")


def test_a_network_that_corrects_nothing_says_what_the_baseline_says_pixel_by_pixel(network, image):
    for parameter in network.model.decode_head.classifier.parameters():
        torch.nn.init.zeros_(parameter)
    answers = [model.probabilities([(image, QUADS)])[0] for model in (network, Baseline())]
    for quad, own, of_baseline in zip(QUADS, *answers):
        assert (own is None) == (of_baseline is None) == (quad is OUTSIDE)
        if own:
            region = word_region(quad, image.size)
            expected = np.clip(probabilities_in(region, of_baseline), 0.01, 0.99)  # it can overrule the surest one
            np.testing.assert_allclose(probabilities_in(region, own), expected, atol=0.005)  # of a hint in 8 bits


def test_a_correction_is_added_to_the_logit_of_the_hint():
    logits = torch.tensor([[0.0, 0.0], [1.0, -3.0]]).reshape(1, 2, 1, 2)  # background, text; of two pixels
    hints = torch.tensor([[[0.0, 0.8]]])
    found = torch.sigmoid(margins(logits, hints))
    torch.testing.assert_close(found, torch.tensor([[[1 / (1 + np.e**-1), 1 / (1 + np.e**3 / 9)]]]).float())
    assert margins(logits, torch.zeros(1, 8, 16)).shape == (1, 8, 16)  # resized to the hints
    assert torch.sigmoid(margins(torch.tensor([5.0, 0.0]).reshape(1, 2, 1, 1), torch.ones(1, 1, 1))).item() < 0.5


def test_a_model_of_other_channels_is_refused(network, tmp_path):
    network.save(tmp_path / "net")
    config = json.loads((tmp_path / "net" / "config.json").read_text())
    (tmp_path / "net" / "config.json").write_text(json.dumps({**config, "num_channels": 3}))
    with pytest.raises(mlt_s.MltSError, match="holds no network that can be read"):
        Network.load(tmp_path / "net")
