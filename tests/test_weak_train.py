"""`mlt-s weak train`: what it learns, what it refuses to save, and how a stopped training resumes."""

from __future__ import annotations

import contextlib
import json
import re

import numpy as np
import pytest
import torch
from archives import encoded, label_members, words_file, words_line, write_zip
from networks import drawn, drawn_mlt, png, write_network

import mlt_s
from mlt_s_tools.cli import main
from mlt_s_tools.weak import label, open_model, train
from mlt_s_tools.weak.network import read_weights
from mlt_s_tools.weak.torch_network import from_weights

pytestmark = pytest.mark.once


@pytest.fixture
def start(shipped, monkeypatch):
    """A network that misses nearly all text, and a learning rate so high that it learns dark text in a few steps."""
    monkeypatch.setattr(train, "RATE", 0.02)
    monkeypatch.setattr(train, "SIGNS", (1,))
    return write_network(shipped, bias=-20.0)


@pytest.fixture
def folder(tmp_path):
    return drawn_mlt(tmp_path / "mlt", train=range(1, 7), validation=range(1, 5))


def run(folder, out, *words, steps=18):
    return main(["weak", "train", str(folder), str(out), "--steps", str(steps), *words])


def record(out):
    return json.loads((out / "weak.json").read_text())


def iou_of(model, number):
    picture, mask, quad = drawn(f"Val{number}")
    ((patch,),) = model.probabilities([(picture, [quad])])
    left, top, right, bottom = patch.box
    found, wanted = patch.values >= 0.5, mask[top:bottom, left:right]
    return np.count_nonzero(found & wanted) / np.count_nonzero(found | wanted)


# --- What comes out ------------------------------------------------------------------------------------------------


def test_a_network_learns_from_label_maps_and_is_better_on_words_that_it_never_saw(start, folder, tmp_path, capsys):
    out = tmp_path / "net"
    before = iou_of(open_model(), 2)
    assert run(folder, out) == 0
    assert sorted(path.name for path in out.iterdir()) == ["network.npz", "weak.json"]
    assert before < 0.5 and iou_of(open_model(out), 2) > before + 0.3
    said, made = capsys.readouterr().out, record(out)
    assert made["held_out"]["after"] > made["held_out"]["before"] + 0.3 and made["held_out"]["images"] == 2
    assert "2 images held out" in said and f"{100 * made['held_out']['after']:.2f} % after" in said
    assert f"{out}: {open_model(out).name}, trained on 6 images in 18 steps." in said
    assert made["trained_on"] == {"train": [f"img_{n}" for n in range(1, 7)], "validation": ["img_1", "img_3"]}
    assert str(tmp_path) not in (out / "weak.json").read_text()


def test_evaluate_and_label_take_it_and_evaluate_leaves_out_what_it_has_seen(start, folder, tmp_path, capsys):
    run(folder, tmp_path / "net")
    assert main(["weak", "evaluate", str(folder), "--model", str(tmp_path / "net")]) == 0
    said = capsys.readouterr().out
    assert "2 images that the model was trained on: img_1, img_3." in said and "figures of 2 images" in said
    (tmp_path / "out").mkdir()
    made = ["--model", str(tmp_path / "net")]
    assert main(["weak", "label", str(folder), str(tmp_path / "out" / "weak.zip"), *made]) == 0
    assert f"by {open_model(tmp_path / 'net').name}" in capsys.readouterr().out


def test_one_that_was_trained_goes_on_from_there_and_remembers_all_images(start, folder, tmp_path):
    run(folder, tmp_path / "net")
    more = drawn_mlt(tmp_path / "more", train=(8, 9), validation=(7,))
    assert run(more, tmp_path / "other", "--model", str(tmp_path / "net"), "--even-if-worse", steps=2) == 0
    assert record(tmp_path / "other")["begun_from"] == record(tmp_path / "net")["weights"]
    seen = record(tmp_path / "other")["trained_on"]
    assert seen["train"] == [*(f"img_{n}" for n in range(1, 7)), "img_8", "img_9"]
    assert seen["validation"] == ["img_1", "img_3", "img_7"]


def test_uncertain_pixels_do_not_count_in_training(start, tmp_path):
    """Half of each word has a wrong label in the first run, and is uncertain in the second, which therefore learns."""

    def half(value):
        def relabel(split, number, mask):
            values = mask.astype(np.uint8)
            if split == "train":
                values[:, 70:] = value if value == 255 else 1 - values[:, 70:]
            return values

        return relabel

    found = {}
    for value in (1, 255):
        folder = drawn_mlt(tmp_path / str(value), train=range(1, 7), validation=(1,), relabel=half(value))
        run(folder, tmp_path / f"net{value}", "--even-if-worse")
        found[value] = record(tmp_path / f"net{value}")["held_out"]["after"]
    assert found[255] > found[1] + 0.1


def test_masks_of_0_and_255_are_text_where_told_so(start, tmp_path, capsys):
    folder = drawn_mlt(
        tmp_path / "mlt", train=(1, 2), validation=(1,), relabel=lambda split, number, mask: 255 * mask.astype(np.uint8)
    )
    assert run(folder, tmp_path / "net", "--text-value", "255", steps=15) == 0
    assert record(tmp_path / "net")["held_out"]["after"] > record(tmp_path / "net")["held_out"]["before"]


# --- What is not saved ---------------------------------------------------------------------------------------------


def wrong(split, number, mask):
    """Label maps of training in which text is background."""
    return ~mask if split == "train" else mask


def test_a_network_that_is_worse_on_images_held_out_is_not_saved_unless_told_to(shipped, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(train, "RATE", 0.02)
    folder, out = drawn_mlt(tmp_path / "mlt", train=range(1, 5), validation=(1, 2), relabel=wrong), tmp_path / "net"
    assert run(folder, out) == 1
    said = capsys.readouterr().out
    assert re.search(r"1 image held out: (\d+\.\d\d) % after and (\d+\.\d\d) % before .*too few images to say", said)
    assert "Not saved" in said and "--even-if-worse" in said
    assert "worse" not in said.replace("--even-if-worse", "")  # which so few images cannot show
    assert not (out / "weak.json").exists()
    with pytest.raises(mlt_s.MltSError, match="which holds no weak.json"):
        open_model(out)
    monkeypatch.setattr(train, "add_gradients", lambda *arguments: pytest.fail("it was trained again"))
    assert run(folder, out, "--even-if-worse") == 0
    assert record(out)["held_out"]["after"] < record(out)["held_out"]["before"]


def test_one_that_is_as_good_is_saved(start, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "RATE", 0.0)
    assert run(folder, tmp_path / "net", steps=2) == 0
    assert record(tmp_path / "net")["held_out"]["after"] == record(tmp_path / "net")["held_out"]["before"]
    begun, made = read_weights(start), read_weights(tmp_path / "net" / "network.npz")
    assert all(np.array_equal(begun[name], made[name]) for name in begun)


# --- Stopped, and called again -------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [3, 4, 5])
def test_a_stopped_training_resumes_as_if_uninterrupted(start, folder, tmp_path, monkeypatch, capsys, after):
    monkeypatch.setattr(train, "SAVE_EVERY", 2)
    run(folder, tmp_path / "whole", "--even-if-worse", steps=6)
    backward, made = train.add_gradients, []

    def stopping(*arguments):
        if len(made) == after:
            raise KeyboardInterrupt
        made.append(arguments)
        return backward(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(train, "add_gradients", stopping)
        assert run(folder, tmp_path / "net", "--even-if-worse", steps=6) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not (tmp_path / "net" / "weak.json").exists()
    assert run(folder, tmp_path / "net", steps=7) == 2
    said = capsys.readouterr().err
    assert "holds a training of 6 steps, not 7." in said and "a new folder" in said
    counted = []
    monkeypatch.setattr(train, "add_gradients", lambda *arguments: counted.append(1) or backward(*arguments))
    assert run(folder, tmp_path / "net", "--even-if-worse", steps=6) == 0
    assert len(counted) == 6 - after // 2 * 2
    assert record(tmp_path / "net") == record(tmp_path / "whole")  # the digest of the weights is among it


def test_a_checkpoint_whose_order_is_gone_is_refused(start, folder, tmp_path, capsys):
    (tmp_path / "net" / "training").mkdir(parents=True)
    (tmp_path / "net" / "training" / "state.pt").write_bytes(b"")
    assert run(folder, tmp_path / "net") == 2
    said = capsys.readouterr().err
    assert str(tmp_path / "net" / "training" / "order.json") in said and "give a new folder" in said


def test_what_stopped_before_its_first_checkpoint_is_in_nobodys_way(start, folder, tmp_path, monkeypatch):
    def stopping(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(train, "add_gradients", stopping)
        assert run(folder, tmp_path / "net", steps=6) == 130
    assert run(folder, tmp_path / "net", "--even-if-worse", steps=2) == 0
    assert record(tmp_path / "net")["steps"] == 2


def test_killed_between_its_weights_and_its_record_it_ends_the_same(start, folder, tmp_path, monkeypatch):
    run(folder, tmp_path / "whole", "--even-if-worse", steps=2)
    write = train.write_json

    def killed(path, value):
        if path.name == "weak.json":
            raise KeyboardInterrupt
        write(path, value)

    with monkeypatch.context() as patched:
        patched.setattr(train, "write_json", killed)
        assert run(folder, tmp_path / "net", "--even-if-worse", steps=2) == 130
    assert (tmp_path / "net" / "network.npz").exists()
    monkeypatch.setattr(train, "add_gradients", lambda *arguments: pytest.fail("it was trained again"))
    assert run(folder, tmp_path / "net", "--even-if-worse", steps=2) == 0
    assert record(tmp_path / "net") == record(tmp_path / "whole")


def test_a_finished_one_is_not_trained_again_and_another_one_is_refused(start, folder, tmp_path, monkeypatch, capsys):
    run(folder, tmp_path / "net", steps=2)
    (tmp_path / "net" / "training").mkdir(exist_ok=True)  # of a run that was killed right at its end
    monkeypatch.setattr(train, "trained", lambda *arguments: pytest.fail("it was trained again"))
    capsys.readouterr()
    assert run(folder, tmp_path / "net", steps=2) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'net'} is finished: a network trained in 2 steps.\n"
    assert not (tmp_path / "net" / "training").exists()
    assert run(folder, tmp_path / "net", "--seed", "1", steps=2) == 2
    assert "holds a network with random seed 0, not 1." in capsys.readouterr().err
    others = {f"img_{n}": png(drawn("other")[1]) for n in range(1, 7)}
    fixed = write_zip(tmp_path / "fixed.zip", label_members(others, {f"img_{n}": png(drawn()[1]) for n in range(1, 5)}))
    assert run(folder, tmp_path / "net", "--label-maps", str(fixed), steps=2) == 2
    assert "holds a network for other images, label maps or words." in capsys.readouterr().err


def test_two_at_a_time_are_refused_and_who_waited_for_the_end_makes_nothing(
    start, folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(train.resuming, "PATIENCE", 0)
    trained = train.trained

    def meanwhile(*arguments):
        assert run(folder, tmp_path / "net", steps=1) == 2
        assert "Another mlt-s weak train is writing" in capsys.readouterr().err
        return trained(*arguments)

    monkeypatch.setattr(train, "trained", meanwhile)
    assert run(folder, tmp_path / "net", steps=1) == 0
    (tmp_path / "net").rename(tmp_path / "done")
    alone = train.resuming.alone

    @contextlib.contextmanager
    def finished_meanwhile(*arguments):
        with alone(*arguments) as lock:
            for path in (tmp_path / "done").iterdir():
                path.rename(tmp_path / "net" / path.name)
            yield lock

    monkeypatch.setattr(train.resuming, "alone", finished_meanwhile)
    monkeypatch.setattr(train, "trained", lambda *arguments: pytest.fail("it was trained again"))
    assert run(folder, tmp_path / "net", steps=1) == 0
    assert sorted(path.name for path in (tmp_path / "net").iterdir()) == ["network.npz", "weak.json"]


def test_what_else_lies_there_is_refused_and_stays(start, folder, tmp_path, capsys):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "notes.txt").write_text("mine")
    assert run(folder, tmp_path / "net") == 2
    assert "is there already, and holds no training to resume" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "net").iterdir()] == ["notes.txt"]
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "weak.json").write_text('{"mod')
    assert run(folder, tmp_path / "damaged") == 2
    assert "weak.json is damaged (" in capsys.readouterr().err


# --- What it trains on ---------------------------------------------------------------------------------------------


def test_words_of_a_step_are_those_of_seed_and_step_alone(folder):
    tasks = train.tasks_of(train.Source(str(folder), split="train"), "train", str(folder))

    def seen(step, seed=0):
        return np.concatenate([crop.ravel() for crop, _, _ in train.words_of(tasks, step, seed)])

    assert np.array_equal(seen(4), seen(4))
    for other in (seen(5), seen(4, seed=1)):
        assert other.shape != seen(4).shape or not np.array_equal(seen(4), other)


def test_in_a_pass_each_image_has_its_turn(folder, monkeypatch):
    tasks = train.tasks_of(train.Source(str(folder), split="train"), "train", str(folder))
    read = []
    monkeypatch.setattr(train, "read", lambda task: read.append(task.pair.image_id))
    monkeypatch.setattr(train, "crops_of", lambda *arguments: [])
    for step in range(6):
        train.words_of(tasks, step, seed=0)
    assert sorted(read[:6]) == sorted(read[6:]) == [f"img_{n}" for n in range(1, 7)] and read[:6] != read[6:]


def test_text_of_a_crop_lies_on_its_letters_and_no_pixel_outside_of_the_word_counts(folder):
    tasks = train.tasks_of(train.Source(str(folder), split="train"), "train", str(folder))
    for crop, text, counts in train.words_of(tasks, 0, seed=0):
        dark = np.abs(crop[..., :3]).max(-1) > 1.2  # of few letters, what is far off the mean
        inside = crop[..., 3] == 1
        assert np.mean((text > 0.5)[inside] == dark[inside]) > 0.95
        assert text.dtype == counts.dtype == np.float32 and 0.05 < text[inside].mean() < 0.6
        assert not counts[crop[..., 3] == 0].any() and counts[inside].all()


def test_a_step_has_one_gradient_however_its_words_are_grouped(shipped, folder):
    tasks = train.tasks_of(train.Source(str(folder), split="train"), "train", str(folder))
    words = train.words_of(tasks, 0, seed=0) + train.words_of(tasks, 1, seed=0)
    network = from_weights(read_weights(shipped)).train()
    train.add_gradients(network, words, "cpu")
    whole = network.o.weight.grad.clone()
    network.zero_grad()
    total = sum(float(counts.sum()) for _, _, counts in words)
    for one in words:
        single = from_weights(read_weights(shipped)).train()
        train.add_gradients(single, [one], "cpu")
        share = float(one[2].sum()) / total
        whole -= share * single.o.weight.grad
    assert whole.abs().max() < 1e-5


def test_words_without_text_or_that_nobody_can_read_are_not_trained_on(folder, tmp_path):
    picture, mask, quad = drawn("Train1")
    away = [[150, 70], [190, 70], [190, 85], [150, 85]]
    lines = words_line(quad, "None", "###"), words_line(away)
    write_zip(tmp_path / "one" / "ch8_training_images_1.zip", {"img_1.png": encoded(picture, "PNG")})
    gt = "ch8_training_localization_transcription_gt_v2.zip"
    write_zip(tmp_path / "one" / gt, {"gt_img_1.txt": words_file(*lines)})
    write_zip(tmp_path / "one" / "MLT_S_labels.zip", label_members({"img_1": png(mask)}, {}))
    tasks = train.tasks_of(train.Source(str(tmp_path / "one"), split="train"), "train", "")
    assert train.words_of(tasks, 0, seed=0) == []
    assert train.add_gradients(torch.nn.Identity(), [], "cpu") == 0


def test_label_maps_of_its_own_making_are_refused(start, folder, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    made = str(tmp_path / "out" / "weak.zip")
    main(["weak", "label", str(folder), made, "--model", "baseline"])
    assert run(folder, tmp_path / "net", "--label-maps", made) == 2
    assert "The label map of img_3 was made by mlt-s weak" in capsys.readouterr().err


def test_label_maps_of_other_values_are_refused(start, folder, tmp_path, capsys):
    labels = {f"img_{n}": png(np.full((90, 200), 7)) for n in range(1, 7)}
    write_zip(folder / "MLT_S_labels.zip", label_members(labels, {"img_1": png(drawn()[1])}))
    assert run(folder, tmp_path / "net") == 2
    assert "A label map holds [0, 1, 255], not [7]" in capsys.readouterr().err


@pytest.mark.parametrize(
    "missing, text",
    [
        ("*validation*", "There is no pair of the validation split in"),
        ("*training_localization*", "No pair in the train split of"),
    ],
)
def test_without_words_to_train_on_or_to_judge_by_it_says_what_is_missing(
    start, folder, tmp_path, capsys, missing, text
):
    for path in folder.glob(missing):
        path.unlink()
    assert run(folder, tmp_path / "net") == 2
    assert text in capsys.readouterr().err and not (tmp_path / "net").exists()


def test_the_baseline_has_nothing_to_train(folder, tmp_path, capsys):
    assert run(folder, tmp_path / "net", "--model", "baseline") == 2
    assert "The baseline cannot be trained" in capsys.readouterr().err


def test_words_that_are_read_are_those_of_the_label_command(folder):
    (task, *_) = train.tasks_of(train.Source(str(folder), split="train"), "train", str(folder))
    example = label.read_pair(task.pair)
    assert [word["quad"] for word in example["words"]] == [drawn("Train1")[2]]
