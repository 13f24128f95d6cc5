"""A model of `transformers`: transforms that fit its image processor, and runs of its Trainer."""

import math

import numpy as np
import pytest
import torch
from archives import mlt

from mlt_s_tools.metrics import count_logits
from mlt_s_tools.training import TrainTransform, collate, for_image_processor

# transformers is imported in functions: old releases of `datasets` cannot be installed beside it.
pytestmark = pytest.mark.once


def processor(**options):
    import transformers

    return transformers.SegformerImageProcessor(**{"size": {"height": 32, "width": 64}, **options})


def tiny_model(**options):
    import transformers

    small = {"depths": [1] * 4, "hidden_sizes": [8] * 4, "decoder_hidden_size": 8, "num_attention_heads": [1] * 4}
    torch.manual_seed(0)
    return transformers.SegformerForSemanticSegmentation(transformers.SegformerConfig(**small, **options))


def trainer(folder, model, dataset, arguments, **options):
    import transformers

    arguments = transformers.TrainingArguments(
        str(folder / "run"),
        remove_unused_columns=False,
        per_device_train_batch_size=2,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        **arguments,
    )
    return transformers.Trainer(
        model, arguments, train_dataset=dataset, eval_dataset=dataset, data_collator=collate, **options
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return mlt(tmp_path_factory.mktemp("presets"), train=6, validation=3, width=70, height=50)


# --- The preset


def test_mean_std_and_size_are_the_processors_own(load_registered, folder):
    given = load_registered(folder, split="train")[0]
    own = processor(image_mean=[0.1, 0.2, 0.3], image_std=[0.4, 0.5, 0.6], size={"height": 50, "width": 70})
    crop = for_image_processor(own).training(scales=(1, 1), jitter=0)(given)  # of the image's size: the image
    expected = own(given["image"], return_tensors="np")["pixel_values"][0]
    assert np.allclose(crop["pixel_values"], expected, atol=1e-5)
    assert np.array_equal(crop["labels"], given["label"])


def test_options_go_to_the_transforms():
    preset = for_image_processor(processor())
    assert preset.size == (32, 64)
    assert preset.training().size == (32, 64)
    assert preset.training(size=(16, 16), seed=4).seed == 4
    assert preset.evaluation(reduce=2).reduce == 2


@pytest.mark.parametrize("family", ["Segformer", "Beit", "DPT"])
def test_a_processor_that_drops_the_background_is_an_error(family):
    import transformers

    kind = getattr(transformers, f"{family}ImageProcessor")
    with pytest.raises(ValueError, match="do_reduce_labels=True: .*background would be dropped.*labels=False"):
        for_image_processor(kind(do_reduce_labels=True))


def test_a_dpt_gets_squares(load_registered, folder):
    import transformers

    preset = for_image_processor(transformers.DPTImageProcessor())
    example = load_registered(folder, split="train")[0]
    assert preset.training()(example)["pixel_values"].shape == (3, 384, 384)
    with pytest.raises(ValueError, match="square crops, not 64 by 32"):
        preset.training(size=(64, 32))
    label = np.asarray(example["label"])
    given, plain = preset.evaluation()(example), preset.evaluation(square=False)(example)
    assert plain["labels"].shape == (64, 96) and given["labels"].shape == (96, 96)
    assert np.array_equal(given["labels"][:50, :70], label)
    assert (given["labels"][50:] == 255).all() and (given["labels"][:, 70:] == 255).all()
    assert np.array_equal(given["pixel_values"][:, :64], plain["pixel_values"])
    assert not given["pixel_values"][:, 64:].any()
    reduced = preset.evaluation(reduce=2)(example)
    assert reduced["pixel_values"].shape == (3, 64, 64) and reduced["labels"].shape == (128, 128)
    assert np.array_equal(reduced["labels"][:50, :70], label)


@pytest.mark.parametrize("options", [{"do_normalize": False}, {"do_rescale": False}, {"rescale_factor": 1 / 127.5}])
def test_a_processor_that_prepares_images_otherwise_is_an_error(options):
    with pytest.raises(ValueError, match="does not divide by 255 and normalise"):
        for_image_processor(processor(**options))


def test_a_processor_without_height_and_width_is_an_error():
    with pytest.raises(ValueError, match="no size of height and width, but .*shortest_edge=9"):
        for_image_processor(processor(size={"shortest_edge": 9}))


def test_the_processor_of_a_model_that_learns_from_masks_is_refused_with_how_to_load_it(load_registered, folder):
    import transformers

    size = {"height": 50, "width": 70}
    with pytest.raises(
        ValueError, match="Mask2FormerImageProcessor.* mask per class .*ignore_index=255 and do_reduce_lab"
    ):
        for_image_processor(transformers.Mask2FormerImageProcessor(size=size))
    own = transformers.Mask2FormerImageProcessor(do_resize=False, ignore_index=255, do_reduce_labels=False)
    given = load_registered(folder, split="train")[0]
    label = np.asarray(given["label"])
    made = own([given["image"]], segmentation_maps=[label], return_tensors="np")
    assert made["class_labels"][0].tolist() == [0, 1]
    for value, mask in enumerate(made["mask_labels"][0]):
        assert np.array_equal(mask[:50, :70] == 1, label == value)  # the rest is padding


def test_the_model_has_two_classes_with_their_names_and_ignores_255():
    config = tiny_model(**for_image_processor(processor()).model_options()).config
    assert (config.num_labels, config.semantic_loss_ignore_index) == (2, 255)
    assert config.id2label == {0: "background", 1: "text"}
    assert config.label2id == {"background": 0, "text": 1}


def test_ignored_pixels_do_not_reach_the_loss(load_registered, folder):
    preset = for_image_processor(processor())
    model = tiny_model(**preset.model_options()).eval()
    batch = collate([preset.evaluation()(given) for given in load_registered(folder, split="validation")])
    with torch.no_grad():
        loss, logits = model(**batch)[:2]
        probabilities = torch.nn.functional.interpolate(logits, batch["labels"].shape[-2:], mode="bilinear").softmax(1)
        counted = batch["labels"] != 255
        chosen = probabilities.gather(1, batch["labels"].where(counted, 0)[:, None])[:, 0][counted]
        assert loss.item() == pytest.approx(-chosen.log().mean().item(), rel=1e-4)
        nothing = model(batch["pixel_values"], labels=torch.full_like(batch["labels"], 255)).loss
    assert math.isnan(nothing)  # which is why `collate` has an error for it


def test_a_model_whose_config_ignores_another_number_fails_on_the_first_label_map():
    """So the model options need not set it: configs have several names for it, or none."""
    model = tiny_model(**for_image_processor(processor()).model_options(), semantic_loss_ignore_index=-100)
    with pytest.raises(IndexError, match="Target 255 is out of bounds"):
        model(torch.zeros(1, 3, 32, 32), labels=torch.full((1, 32, 32), 255))


# --- The Trainer


def trained(tmp_path, dataset, transform, resume=None, **arguments):
    """The input of a run's model: a list of batches, each a list of the sums of its crops."""
    from mlt_s_tools.training import EpochCallback

    model, batches = tiny_model(**for_image_processor(processor()).model_options()), []
    model.register_forward_pre_hook(
        lambda _, args, inputs: batches.append(inputs["pixel_values"].double().sum((1, 2, 3)).tolist()),
        with_kwargs=True,
    )
    run = trainer(tmp_path, model, dataset, arguments, callbacks=[EpochCallback(transform)])
    run.train(resume_from_checkpoint=resume)
    assert all(torch.isfinite(weights).all() for weights in model.parameters())
    return batches


def sums_of_epoch(dataset, transform, epoch):
    transform.set_epoch(epoch)
    return sorted(transform(given)["pixel_values"].astype(np.float64).sum() for given in dataset)


PERSISTENT = {"dataloader_num_workers": 2, "dataloader_persistent_workers": True}


@pytest.mark.parametrize("workers", [{}, PERSISTENT], ids=["0 workers", "2 persistent workers"])
@pytest.mark.parametrize("streaming", [False, True], ids=["prepared", "streaming"])
def test_each_epoch_has_the_crops_of_its_number(tmp_path, load_registered, folder, streaming, workers):
    plain = load_registered(folder, split="train")
    transform = TrainTransform((0.5,) * 3, (0.25,) * 3, size=(32, 32))
    if streaming:
        dataset = load_registered(folder, split="train", streaming=True).shuffle(seed=0, buffer_size=1)
        dataset = dataset.map(transform, remove_columns=dataset.column_names)
    else:
        dataset = plain.with_transform(transform)
    seen = [crop for batch in trained(tmp_path, dataset, transform, max_steps=12, **workers) for crop in batch]
    assert len(seen) >= 3 * len(plain)
    for epoch in range(3):
        of_epoch = seen[epoch * len(plain) : (epoch + 1) * len(plain)]
        assert sorted(of_epoch) == pytest.approx(sums_of_epoch(plain, transform, epoch), rel=1e-9)


def test_a_run_taken_up_from_a_checkpoint_goes_on_with_its_epochs(tmp_path, load_registered, folder):
    transform = TrainTransform((0.5,) * 3, (0.25,) * 3, size=(32, 32))
    train = load_registered(folder, split="train").with_transform(transform)
    whole = trained(tmp_path, train, transform, num_train_epochs=3, save_steps=4)
    transform.set_epoch(0)
    rest = trained(tmp_path, train, transform, str(tmp_path / "run" / "checkpoint-4"), num_train_epochs=3)
    assert transform.epoch == 2
    assert rest == whole[4:]


def test_a_trainer_evaluates_at_the_label_maps_own_size(tmp_path, load_registered, folder):
    preset = for_image_processor(processor())
    counted, labelled = [], []

    def metrics(predicted, compute_result):
        counted.extend(predicted.predictions.sum(1))
        labelled.extend((label != 255).sum() for label in predicted.label_ids)
        return {"done": 1.0}

    run = trainer(
        tmp_path,
        tiny_model(**preset.model_options()),
        load_registered(folder, split="validation").with_transform(preset.evaluation(reduce=2)),
        {"per_device_eval_batch_size": 2, "batch_eval_metrics": True},
        preprocess_logits_for_metrics=count_logits,
        compute_metrics=metrics,
    )
    result = run.evaluate()
    assert np.isfinite(result["eval_loss"]) and result["eval_done"] == 1
    own = [np.asarray(given["label"]) for given in load_registered(folder, split="validation")]
    assert counted == labelled == [(label != 255).sum() for label in own]
