"""The metrics: by hand, against a naive reading of the protocol, and inside the Trainer of transformers."""

import json
import pickle
import re
import subprocess
import sys

import forks
import numpy as np
import PIL.Image
import pytest
import torch
from conftest import LEAVE
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import mlt_s
from mlt_s_tools.metrics import BACKGROUND, TEXT, UNCERTAIN, Counts, TextMetrics, count, count_logits, predict
from mlt_s_tools.training import EvalTransform

# Two images by hand. The first: tp 2, fp 1, fn 1, tn 2; the second: tp 1, fp 0, fn 1, tn 3. 255 counts nowhere.
LABELS = [[[1, 1, 1, 255], [0, 0, 0, 255]], [[1, 1, 0], [0, 0, 255]]]
PREDICTIONS = [[[1, 1, 0, 1], [1, 0, 0, 0]], [[1, 0, 0], [0, 0, 1]]]


def array(values):
    return np.array(values, np.uint8)


def figures(predictions, labels):
    metrics = TextMetrics()
    for prediction, label in zip(predictions, labels):
        metrics.add(array(prediction), array(label))
    return metrics.compute()


# --- Figures by hand -----------------------------------------------------------------------------------------------


def test_the_pixels_of_an_image():
    assert count(array(PREDICTIONS[0]), array(LABELS[0])) == Counts(tp=2, fp=1, fn=1, tn=2)
    assert count(array(PREDICTIONS[1]), array(LABELS[1])) == Counts(tp=1, fp=0, fn=1, tn=3)


def test_the_figures_of_two_images():
    assert figures(PREDICTIONS, LABELS) == pytest.approx(
        {
            "fgiou": 3 / 6,
            "mean_precision": (2 / 3 + 1) / 2,
            "mean_recall": (2 / 3 + 1 / 2) / 2,
            "f_score": 2 * (5 / 6) * (7 / 12) / (5 / 6 + 7 / 12),
            "pooled_precision": 3 / 4,
            "pooled_recall": 3 / 5,
            "pooled_f_score": 6 / 9,
            "background_iou": 5 / 8,
            "mean_iou": (3 / 6 + 5 / 8) / 2,
            "pixel_accuracy": 8 / 11,
            "images": 2,
            "images_without_text": 0,
        }
    )


def test_an_image_has_figures_of_its_own():
    counts = count(array(PREDICTIONS[0]), array(LABELS[0]))
    assert (counts.iou, counts.precision, counts.recall) == (2 / 4, 2 / 3, 2 / 3)


@pytest.mark.parametrize("prediction", [[[0, 0]], [[1, 1]]], ids=["none predicted", "all predicted"])
def test_an_image_that_is_uncertain_throughout_counts_as_an_image_of_no_text(prediction):
    """As in the published protocol: none of its pixels count, and it is 0 in both averages."""
    result = figures([*PREDICTIONS, prediction], [*LABELS, [[255, 255]]])
    without = figures(PREDICTIONS, LABELS)
    assert (result["images"], result["images_without_text"]) == (3, 1)
    assert result["mean_precision"] == pytest.approx(without["mean_precision"] * 2 / 3)
    assert result["mean_recall"] == pytest.approx(without["mean_recall"] * 2 / 3)
    pooled = ("fgiou", "pooled_precision", "pooled_recall", "mean_iou", "pixel_accuracy")
    assert {key: result[key] for key in pooled} == {key: without[key] for key in pooled}


def test_only_uncertain_images_have_figures_of_0():
    result = figures([[[1, 0]]], [[[255, 255]]])
    assert (result.pop("images"), result.pop("images_without_text")) == (1, 1)
    assert set(result.values()) == {0.0}


def test_no_predicted_text_is_a_precision_of_0_and_no_labelled_text_a_recall_of_0():
    result = figures([[[0, 0]], [[1, 0]], [[1, 0]]], [[[1, 0]], [[0, 0]], [[1, 0]]])
    assert (result["mean_precision"], result["mean_recall"]) == pytest.approx((1 / 3, 1 / 3))


def test_a_perfect_prediction_is_1_where_every_image_has_text():
    result = figures([[[1, 0]], [[1, 1]]], [[[1, 0]], [[1, 1]]])
    assert {key: value for key, value in result.items() if not key.startswith("images")} == dict.fromkeys(
        list(result)[:-2], 1.0
    )


def test_pictures_tensors_and_bool_are_taken():
    label = PIL.Image.fromarray(array(LABELS[0]))
    for prediction in (
        array(PREDICTIONS[0]).astype(bool),
        array(PREDICTIONS[0]).astype(np.int64),
        array(PREDICTIONS[0]).astype(np.float32),
        torch.tensor(PREDICTIONS[0]),
        PIL.Image.fromarray(array(PREDICTIONS[0])),
        PIL.Image.fromarray(array(PREDICTIONS[0]) * 255).convert("1"),
    ):
        assert count(prediction, label) == (2, 1, 1, 2)


def test_the_values_are_those_of_the_label_map():
    known = mlt_s.LABEL_MAP
    assert [BACKGROUND, TEXT, UNCERTAIN] == [*known.str2int(["background", "text"]), known.ignore_index]


# --- Against the protocol, read naively ----------------------------------------------------------------------------


def naive(pairs):
    """The published protocol, pixel by pixel."""
    intersection = union = 0
    precisions, recalls = [], []
    for prediction, label in pairs:
        pixels = [(p, t) for p, t in zip(prediction.ravel().tolist(), label.ravel().tolist()) if t != 255]
        both = sum(p == 1 and t == 1 for p, t in pixels)
        predicted, labelled = sum(p == 1 for p, _ in pixels), sum(t == 1 for _, t in pixels)
        intersection += both
        union += sum(p == 1 or t == 1 for p, t in pixels)
        precisions.append(both / predicted if predicted else 0)
        recalls.append(both / labelled if labelled else 0)
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    f_score = 2 * precision * recall / (precision + recall) if precision + recall else 0
    return {"fgiou": intersection / union if union else 0, "f_score": f_score}


@st.composite
def image_pairs(draw):
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    prediction = draw(arrays(np.uint8, shape, elements=st.integers(0, 1)))
    return prediction, draw(arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 255])))


def added(pairs):
    metrics = TextMetrics()
    for pair in pairs:
        metrics.add(*pair)
    return metrics


@settings(deadline=None)
@given(st.lists(image_pairs(), min_size=1, max_size=6))
def test_the_published_figures_are_those_of_the_protocol(pairs):
    result = added(pairs).compute()
    assert {key: result[key] for key in ("fgiou", "f_score")} == pytest.approx(naive(pairs), abs=1e-12)


@settings(deadline=None)
@given(st.lists(image_pairs(), min_size=1, max_size=6))
def test_figures_keep_to_their_relations(pairs):
    """For pooled pixels, F is 2 IoU / (1 + IoU). So the published tables show that their F-score is not pooled."""
    result = added(pairs).compute()
    assert result["pooled_f_score"] == pytest.approx(2 * result["fgiou"] / (1 + result["fgiou"]))
    assert all(0 <= value <= 1 for key, value in result.items() if not key.startswith("images"))
    of_one = [added([pair]).compute() for pair in pairs]
    assert result["mean_recall"] == pytest.approx(sum(one["pooled_recall"] for one in of_one) / len(of_one))


@settings(deadline=None)
@given(st.lists(image_pairs(), min_size=1, max_size=6), st.randoms(use_true_random=False), st.integers(0, 6))
def test_order_and_parts_make_no_difference_to_the_last_bit(pairs, random, cut):
    whole = added(pairs).compute()
    random.shuffle(pairs)
    first, second = added(pairs[:cut]), added(pairs[cut:])
    first.merge(pickle.loads(pickle.dumps(second)))
    assert first.compute() == whole
    batched = TextMetrics()
    batched.add_batch(*zip(*pairs))
    assert batched.compute() == whole


# --- An accumulator ------------------------------------------------------------------------------------------------


def test_merging_leaves_the_other_one_as_it_is():
    first, second = added([]), added([(array(PREDICTIONS[0]), array(LABELS[0]))])
    before = second.compute()
    first.merge(second)
    first.merge(second)
    assert second.compute() == before
    assert (first.images, first.compute()["fgiou"]) == (2, before["fgiou"])


def test_reset_forgets_everything():
    metrics = added([(array(PREDICTIONS[0]), array(LABELS[0]))])
    metrics.reset()
    assert metrics.__dict__ == TextMetrics().__dict__


def test_there_are_no_figures_of_no_images():
    with pytest.raises(ValueError, match="No images have been added"):
        TextMetrics().compute()


def test_it_keeps_four_numbers_an_image():
    metrics, counts = TextMetrics(), [[3, 5, 7, 11]] * 1000
    metrics.add_counts(counts)
    assert metrics.counts().tolist() == counts
    assert len(pickle.dumps(metrics)) < 1000 * 4 * 8 + 500


def test_it_takes_neither_torch_nor_datasets_to_import():
    code = "import sys, mlt_s_tools.metrics; print({'torch', 'datasets', 'mlt_s'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- What is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prediction, label, message",
    [
        ([[0, 1, 0]], [[0, 1]], "the prediction has (1, 3), the label map (1, 2)."),
        ([[[0, 1]]], [[[0, 1]]], "the prediction has (1, 1, 2), the label map (1, 1, 2)."),
        ([[0, 255]], [[0, 1]], "this one holds 255."),
        ([[0, 0.5]], [[0, 1]], "this one holds 0.5."),
        ([[0, float("nan")]], [[0, 1]], "this one holds nan."),
        ([[0, 1]], [[0, 2]], "this one holds 2."),
        ([range(8)], [[0] * 8], "this one holds 2, 3, 4, 5, 6, ...."),
    ],
)
def test_what_is_no_prediction_or_no_label_map_is_said(prediction, label, message):
    with pytest.raises(ValueError) as raised:
        count(np.array(prediction), np.array(label))
    assert message in str(raised.value)


def test_a_batch_that_is_refused_adds_nothing():
    metrics = TextMetrics()
    with pytest.raises(ValueError, match="predictions .* 2 images, but 1 label maps"):
        metrics.add_batch([[[0]], [[0]]], [[[0]]])
    with pytest.raises(ValueError, match="holds 7"):
        metrics.add_batch([[[0]], [[0]]], [[[0]], [[7]]])
    assert metrics.images == 0


@pytest.mark.parametrize(
    "counts, message",
    [
        ([1, 2, 3, 4], "int64 of shape (4,)."),
        ([[1, 2, 3]], "int64 of shape (1, 3)."),
        ([[0.5, 1, 1, 1]], "float64 of shape (1, 4)."),
        ([[1, -2, 3, 4]], "int64 of shape (1, 4), some below 0."),
    ],
)
def test_what_are_no_counts_is_said(counts, message):
    with pytest.raises(ValueError) as raised:
        TextMetrics().add_counts(counts)
    assert message in str(raised.value)


# --- Logits --------------------------------------------------------------------------------------------------------


def random_logits(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_logits_are_upsampled_before_they_are_decided():
    """Between 3 and -1, the sign changes at three quarters of the distance, not at half."""
    logits = np.array([[[0, 0]], [[3, -1]]], np.float32)
    assert predict(logits, (1, 8)).tolist() == [[True, True, True, True, True, False, False, False]]


def test_one_logit_is_text_above_0_and_equal_logits_are_background():
    assert predict(np.array([[[-0.5, 0, 0.5]]]), (1, 3)).tolist() == [[False, False, True]]
    assert predict(np.array([[[1, 1, 1]], [[0, 1, 2]]]), (1, 3)).tolist() == [[False, False, True]]


@pytest.mark.parametrize("size", [(16, 24), (37, 53), (5, 7), (64, 9), (12, 20)])
@pytest.mark.parametrize("classes", [1, 2])
def test_arrays_and_tensors_are_resized_alike_and_as_torch_does_it(size, classes):
    logits = random_logits(classes, 12, 20)
    whole = torch.nn.functional.interpolate(torch.from_numpy(logits)[None], size, mode="bilinear")[0]
    expected = (whole.argmax(0) if classes == 2 else whole[0] > 0).numpy().astype(bool)
    ours = predict(logits, size), predict(torch.from_numpy(logits), size)
    assert isinstance(ours[0], np.ndarray) and isinstance(ours[1], torch.Tensor)
    # Rounding may tell pixels apart where both classes are even but for the last bits.
    for prediction in ours:
        assert np.mean(np.asarray(prediction) != expected) <= 0.001


def test_half_precision_is_taken():
    logits = random_logits(2, 4, 4)
    for kind in (torch.bfloat16, torch.float16):
        tensor = torch.from_numpy(logits).to(kind)
        assert predict(tensor, (9, 9)).equal(predict(tensor.float(), (9, 9)))


def test_padding_is_cut_away_before_the_last_resizing():
    """A picture of 8 x 4 in the upper left of an input of 8 x 8, whose logits are half as large."""
    logits = np.full((1, 4, 4), 100, np.float32)  # the padding would be text
    logits[0, :2] = [[-1, -1, 1, 1]] * 2
    prediction = predict(logits, (2, 4), (8, 8), (0, 0, 8, 3))
    assert prediction.tolist() == [[False, False, True, True]] * 2
    assert predict(logits, (2, 4)).all(axis=1).tolist() == [False, True]


def test_content_in_the_middle_is_found():
    logits = np.full((1, 6, 6), -1, np.float32)
    logits[0, 2:4, 1:5] = 1
    assert predict(logits, (4, 8), (6, 6), (1, 2, 5, 4)).all()
    assert not predict(logits, (4, 8), (6, 6), (0, 0, 1, 6)).any()


@pytest.mark.parametrize("reduce", [1, 2, 3])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_what_the_evaluation_transform_gives_is_taken_as_it_is(reduce, kind):
    """The padding would be text, and each pixel of the picture stays where it was."""
    label = np.random.default_rng(3).integers(0, 2, (50, 70)).astype(np.uint8)
    example = {"image": PIL.Image.new("RGB", (70, 50)), "label": PIL.Image.fromarray(label), "image_id": "img_1"}
    given = EvalTransform((0.5,) * 3, (0.5,) * 3, reduce)(example)
    assert given["labels"].shape != label.shape
    logits = np.where(given["labels"] == 0, -1.0, 1.0)[None]
    prediction = predict(kind(logits), given)
    assert np.array_equal(np.asarray(prediction), label == 1)
    batch = {"labels": np.pad(given["labels"], ((0, 96), (0, 192))), "size": given["size"]}  # beside a larger image
    assert np.array_equal(predict(np.pad(logits, ((0, 0), (0, 96), (0, 192))), batch), label == 1)


@pytest.mark.parametrize("strides", [2, 4, 32])
@pytest.mark.parametrize("reduce", [1, 2])
def test_coarse_logits_of_what_the_transform_gives_are_in_its_frame(strides, reduce):
    """As the figures see them: `count_logits` looks at the padded label map."""
    label = np.random.default_rng(3).choice(array([0, 1, 255]), (50, 70))
    example = {"image": PIL.Image.new("RGB", (70, 50)), "label": PIL.Image.fromarray(label), "image_id": "img_1"}
    given = EvalTransform((0.5,) * 3, (0.5,) * 3, reduce)(example)
    logits = random_logits(2, *(length // strides for length in given["pixel_values"].shape[1:]))
    assert count(predict(logits, given), label) == tuple(count_logits(logits[None], given["labels"][None])[0])


@pytest.mark.parametrize(
    "given",
    [{"size": (4, 4)}, {"labels": np.zeros((4, 4))}, {"labels": np.zeros((2, 4, 4)), "size": [(4, 4), (4, 4)]}],
    ids=["no labels", "no size", "a batch"],
)
def test_what_is_not_of_one_image_is_refused(given):
    with pytest.raises(ValueError, match="EvalTransform returned for one image"):
        predict(np.zeros((2, 4, 4)), given)


def test_a_frame_beside_what_the_transform_gave_is_refused():
    with pytest.raises(ValueError, match="no input_size or content"):
        predict(np.zeros((2, 4, 4)), {"labels": np.zeros((4, 4)), "size": (4, 4)}, (4, 4), (0, 0, 4, 4))


@pytest.mark.parametrize(
    "shape, options, message",
    [
        ((150, 4, 4), {}, "two classes, background and text, or one, text; not (150, 4, 4)."),
        ((4, 4), {}, "not (4, 4)."),
        ((2, 4, 4), {"content": (0, 0, 2, 2)}, "both input_size"),
        ((2, 4, 4), {"input_size": (4, 4)}, "both input_size"),
        (
            (2, 4, 4),
            {"input_size": (8, 6), "content": (0, 0, 8, 6)},
            "content (0, 0, 8, 6) (left, top, right, bottom)",
        ),
        ((2, 4, 4), {"input_size": (8, 6), "content": (3, 0, 3, 6)}, "an input of size (8, 6) (height, width)."),
    ],
)
def test_logits_that_do_not_fit_are_refused(shape, options, message):
    with pytest.raises(ValueError) as raised:
        predict(np.zeros(shape), (4, 4), **options)
    assert message in str(raised.value)


def test_logits_are_counted_at_the_size_of_each_label_map():
    logits = random_logits(3, 2, 6, 6)
    labels = [
        np.random.default_rng(n).choice(array([0, 1, 255]), size) for n, size in enumerate([(9, 7), (6, 6), (20, 4)])
    ]
    expected = [count(predict(one, label.shape), label) for one, label in zip(logits, labels)]
    for given_logits in (logits, torch.from_numpy(logits)):
        counts = count_logits(given_logits, labels)
        assert type(counts) is type(given_logits)
        assert counts.tolist() == [list(one) for one in expected]
    assert count_logits(torch.from_numpy(logits), [torch.from_numpy(label) for label in labels]).dtype == torch.int64


def test_logits_and_label_maps_of_another_number_are_refused():
    with pytest.raises(ValueError, match="logits .* 2 images, but 1 label maps"):
        count_logits(random_logits(2, 2, 4, 4), array([LABELS[0]]))


def test_rows_that_the_trainer_adds_under_label_maps_are_cut_away():
    logits, label = random_logits(1, 2, 4, 4), np.random.default_rng(0).choice([0, 1, 255], (6, 5))
    padded = np.concatenate([label, np.full((3, 5), -100)])
    for kind in (np.asarray, torch.as_tensor):
        assert count_logits(kind(logits), kind(padded[None])).tolist() == count_logits(logits, label[None]).tolist()
    with pytest.raises(ValueError, match="this one holds -100"):
        count_logits(logits, np.concatenate([np.full((3, 5), -100), label])[None])


def test_an_evaluation_that_is_refused_leaves_no_images():
    from types import SimpleNamespace

    metrics = TextMetrics()
    good, wrong = (
        SimpleNamespace(predictions=array([[[1, 0]]]), label_ids=array([[label]])) for label in ([1, 0], [2, 0])
    )
    metrics(good, compute_result=False)
    with pytest.raises(ValueError, match="this one holds 2"):
        metrics(wrong, compute_result=False)
    assert metrics(good)["images"] == 1


# --- In the Trainer of transformers --------------------------------------------------------------------------------

# Run as a script, it is one process that evaluates by the Trainer, and prints figures as JSON.
TRAINER = """
import json
import sys

import numpy as np
import torch
from transformers import SegformerConfig, SegformerForSemanticSegmentation, Trainer, TrainingArguments

from mlt_s_tools.metrics import TextMetrics, count_logits, predict


class Stream(torch.utils.data.IterableDataset):
    def __init__(self, images):
        self.images = images

    def __iter__(self):
        return iter(self.images)


def image(number, size):
    random = np.random.default_rng(number)
    label = random.choice(np.array([0, 1, 255]), size, p=[0.6, 0.3, 0.1])
    return {"pixel_values": random.normal(size=(3, 32, 32)).astype(np.float32), "labels": label}


def figures(options, folder):
    images = [image(number, size) for number, size in enumerate(options["sizes"])]
    images[1]["labels"][:] = 255
    torch.manual_seed(0)
    small = dict(hidden_sizes=[8] * 4, depths=[1] * 4, num_attention_heads=[1] * 4, decoder_hidden_size=8)
    model = SegformerForSemanticSegmentation(SegformerConfig(num_labels=options["classes"], **small)).eval()
    arguments = TrainingArguments(
        output_dir=folder, report_to=[], use_cpu=True, per_device_eval_batch_size=options["batch"],
        batch_eval_metrics=options["by_batch"], eval_do_concat_batches=options["concatenate"],
    )
    trainer = Trainer(
        model, arguments, eval_dataset=Stream(images) if options["stream"] else images, compute_metrics=TextMetrics(),
        preprocess_logits_for_metrics=count_logits if options["preprocess"] else None,
    )
    alone = TextMetrics()
    with torch.no_grad():
        for one in images:
            logits = model(torch.tensor(one["pixel_values"][None])).logits[0]
            alone.add(predict(logits, one["labels"].shape), one["labels"])
    evaluated = [trainer.evaluate() for _ in range(2)]
    return [alone.compute(), *({name: one["eval_" + name] for name in alone.compute()} for one in evaluated)]


folder, *ways = json.loads(sys.argv[1])
print("FIGURES " + json.dumps([figures(options, folder) for options in ways]))
"""


def way(**options):
    """How to evaluate five images in batches of two, so that the last one is smaller, unless told otherwise."""
    usual = {"sizes": [(32, 32)] * 5, "classes": 2, "batch": 2, "by_batch": True, "concatenate": True}
    return {**usual, "preprocess": True, "stream": False, **options}


def evaluated(folder, ways, processes=1):
    """For each process and each way: the figures of the accumulator alone, and twice those of the Trainer."""
    script = folder / "evaluate.py"
    script.write_text(TRAINER + LEAVE)
    several = forks.run_script(script, folder, json.dumps([str(folder), *ways]), processes=processes)
    assert all(done.returncode == 0 for done in several), several
    return [json.loads(re.search("^FIGURES (.*)$", done.stdout, re.MULTILINE)[1]) for done in several]


OWN_SIZES = {"sizes": [(40, 31), (17, 64), (90, 50)], "batch": 1}
WAYS = {
    "counts, batch by batch": way(),
    "counts, at the end": way(by_batch=False),
    "logits, batch by batch": way(preprocess=False),
    "logits, at the end": way(preprocess=False, by_batch=False),
    "one class": way(classes=1),
    "label maps of their own sizes": way(**OWN_SIZES),
    "label maps of their own sizes, at the end": way(**OWN_SIZES, by_batch=False, concatenate=False, preprocess=False),
    "a stream": way(stream=True),
}


@pytest.mark.once
def test_the_trainer_gives_the_figures_of_the_accumulator_alone(tmp_path):
    (reports,) = evaluated(tmp_path, WAYS.values())
    for name, (alone, first, again) in zip(WAYS, reports):
        assert 0 < alone["fgiou"] < 1 and alone["images_without_text"] == 1, name
        assert first == alone and again == alone, name


@pytest.mark.once
def test_in_two_processes_each_image_counts_once(tmp_path):
    """Of five images, the sampler repeats some, to give both processes as many."""
    reports = evaluated(tmp_path, [way(), way(preprocess=False), way(stream=True)], processes=2)
    assert len(reports) == 2
    for alone, first, again in (way for process in reports for way in process):
        assert alone["images"] == 5
        assert first == alone and again == alone
