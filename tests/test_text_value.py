"""Label maps of 0 and 255, as most masks are: never read as uncertain without an error, and read right on request."""

import json
import re
import shutil

import datasets
import numpy as np
import PIL.Image
import pytest
from archives import (
    add_words,
    encoded,
    failure,
    image_file,
    label_file,
    label_members,
    label_values,
    mlt,
    png_with,
    raw_png,
    unpacked,
    write_zip,
)
from fsspec.implementations.memory import MemoryFileSystem
from test_built_labels import write_labels
from test_cache import prepared
from test_download import answer_with, serve  # noqa: F401
from test_loading import ids

import mlt_s
import mlt_s_tools
from mlt_s_tools import cli
from mlt_s_tools.hub import manifest
from mlt_s_tools.training import ArchiveDataset
from mlt_s_tools.weak import label

once = pytest.mark.once


def text_of(seed):
    """Where text is, bool (height, width)."""
    return label_values(seed=seed) == 1


def png(values):
    return encoded(PIL.Image.fromarray(np.asarray(values, np.uint8)), "PNG")


def mask_file(seed):
    return png(255 * text_of(seed))


def uncertain_file(seed):
    """A label map with uncertain pixels and no text, as the authors have them."""
    return png(np.where(label_values(seed=seed) == 255, 255, 0))


def labels_of(file, train=5, validation=3):
    return label_members(
        {f"img_{n}": file(n) for n in range(1, train + 1)},
        {f"img_{n}": file(500 + n) for n in range(1, validation + 1)},
    )


@pytest.fixture
def folder(tmp_path):
    return mlt(tmp_path / "mlt")


@pytest.fixture
def images(folder):
    (folder / "MLT_S_labels.zip").unlink()
    return folder


@pytest.fixture
def masks(tmp_path):
    return str(write_zip(tmp_path / "masks.zip", labels_of(mask_file)))


def assert_masks_are_read(dataset, train=5):
    for split, offset, count in (("train", 0, train), ("validation", 500, 3)):
        examples = list(dataset[split])
        assert ids(examples) == [f"img_{n}" for n in range(1, count + 1)]
        for n, example in enumerate(examples, offset + 1):
            assert example["label"].mode == "L"
            assert np.array_equal(np.asarray(example["label"]), text_of(n))


def assert_is_refused_with_the_option(load, *arguments, say=(), **options):
    text = str(failure(lambda: load(*arguments, **options)))
    assert re.search(r"^ +\S+\(.*text_value=255.*\)$", text, re.MULTILINE), text
    assert all(word in text for word in say), text
    assert not prepared(load)
    return text


# --- Refused, and read with the option ------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [False, True])
def test_masks_are_refused_before_anything_is_prepared_and_read_when_asked(load, images, masks, streaming):
    text = assert_is_refused_with_the_option(load, images, label_maps=masks, streaming=streaming, say=[masks])
    assert f'data_dir="{images}", label_maps="{masks}", text_value=255' in text
    assert "it holds the values 0 and 255" in text
    assert_masks_are_read(load(images, label_maps=masks, text_value=255, streaming=streaming))


def test_so_in_several_processes(load, images, masks):
    assert_is_refused_with_the_option(load, images, label_maps=masks, num_proc=2)
    assert_masks_are_read(load(images, label_maps=masks, text_value=255, num_proc=2))


def test_the_call_that_the_error_gives_loads_them(load_registered, images, masks):
    options = {"label_maps": [masks], "unlabelled": True, "missing_images": "skip"}
    text = assert_is_refused_with_the_option(load_registered, images, **options)
    (call,) = re.findall(r"^    (load_dataset\(.*\))$", text, re.MULTILINE)
    given = eval(call, {"load_dataset": lambda *names, **options: (names, options)})
    assert given == (("mlt_s",), {"data_dir": str(images), "text_value": 255, **options})
    assert_masks_are_read(load_registered(**given[1]))


def test_label_maps_alone(load, masks):
    assert_is_refused_with_the_option(load, None, "labels", label_maps=masks)
    assert_masks_are_read(load(None, "labels", label_maps=masks, text_value=255))


@once
def test_the_training_classes(images, masks):
    text = str(failure(lambda: ArchiveDataset(images, "train", label_maps=masks)))
    assert "text_value=255)" in text
    train = ArchiveDataset(images, "train", label_maps=masks, text_value=255)
    assert np.array_equal(np.asarray(train[2]["label"]), text_of(3))


def test_words_and_unlabelled_images_come_beside(load_registered, images, tmp_path):
    add_words(images, range(1, 6), range(1, 4))
    few = str(write_zip(tmp_path / "few.zip", labels_of(mask_file, train=2)))
    train = load_registered(images, "words", "train", label_maps=few, text_value=255, unlabelled=True)
    assert [example["label"] is None for example in train] == [False, False, True, True, True]
    assert np.array_equal(np.asarray(train[1]["label"]), text_of(2)) and len(train[1]["words"]) == 2


@pytest.mark.parametrize("value", [0, 2, 254, True, 1.0, "255"])
def test_another_value_is_refused(load_registered, folder, value):
    text = str(failure(lambda: load_registered(folder, text_value=value)))
    assert text.startswith(f"text_value={value!r}: it takes 1, or 255 ")


def test_what_was_prepared_with_one_value_does_not_serve_the_other(load, folder):
    write_zip(folder / "MLT_S_labels.zip", labels_of(mask_file))  # which are taken at their name's word
    uncertain, as_text = (load(folder, split="train", **options) for options in ({}, {"text_value": 255}))
    assert np.array_equal(np.asarray(uncertain[0]["label"]), 255 * text_of(1))
    assert np.array_equal(np.asarray(as_text[0]["label"]), text_of(1))
    again = load(folder, split="train", text_value=1)
    assert np.array_equal(np.asarray(again[0]["label"]), 255 * text_of(1))


# --- Wherever they lie ----------------------------------------------------------------------------------------------


def _in_a_zip_beside(images, archive, tmp_path):
    shutil.copy(archive, images / "my_labels.zip")
    return {}


def _in_folders_beside(images, archive, tmp_path):
    for split in ("training", "validation"):
        shutil.copytree(unpacked_copy(archive, tmp_path) / f"MLT_S_labels/{split}_labels", images / f"{split}_labels")
    return {}


def _in_folders(images, archive, tmp_path):
    (unpacked_copy(archive, tmp_path) / "MLT_S_labels").rename(tmp_path / "masks")
    return {"label_maps": str(tmp_path / "masks")}


def _in_parquet(images, archive, tmp_path):
    for split, offset, count in (("train", 0, 5), ("validation", 500, 3)):
        files = {f"img_{n}": mask_file(offset + n) for n in range(1, count + 1)}
        write_labels(tmp_path / "set" / f"{split}-00000-of-00001.parquet", files)
    return {"label_maps": str(tmp_path / "set")}


def _remote(images, archive, tmp_path):
    memory = MemoryFileSystem()
    memory.store.clear()
    memory.pipe_file("/masks/labels.zip", archive.read_bytes())
    return {"label_maps": "memory://masks/labels.zip"}


def unpacked_copy(archive, tmp_path):
    return unpacked(shutil.copy(archive, tmp_path / "copy.zip"), tmp_path / "unpacked")


@pytest.mark.parametrize("place", [_in_a_zip_beside, _in_folders_beside, _in_folders, _in_parquet, _remote])
def test_wherever_masks_lie_they_are_refused_and_read_when_asked(load_registered, images, masks, tmp_path, place):
    shutil.move(masks, tmp_path / "somewhere.zip")
    given = place(images, tmp_path / "somewhere.zip", tmp_path)
    text = assert_is_refused_with_the_option(load_registered, images, **given)
    assert given.get("label_maps", str(images)) in text
    assert_masks_are_read(load_registered(images, text_value=255, **given))


def test_those_that_are_downloaded_too(load_registered, serve, images, masks):  # noqa: F811
    with open(masks, "rb") as file:
        server = serve(answer_with(file.read()))
    assert_is_refused_with_the_option(load_registered, images, label_maps=server.url, say=[server.url])
    assert_masks_are_read(load_registered(images, label_maps=server.url, text_value=255))


def test_only_one_split_has_masks_of_0_and_255(load_registered, images, tmp_path):
    members = labels_of(label_file)
    members.update({name: content for name, content in labels_of(mask_file).items() if "validation" in name})
    half = str(write_zip(tmp_path / "half.zip", members))
    text = assert_is_refused_with_the_option(load_registered, images, label_maps=half)
    assert text.startswith("Nothing would be text in the validation label maps of")


# --- Which are right as they are -------------------------------------------------------------------------------------


@pytest.fixture
def looked_at(monkeypatch):
    """Names of the label maps that are read."""
    read, before = [], mlt_s.read_member

    def counted(member, options):
        if "label" in str(member):
            read.append(str(member))
        return before(member, options)

    monkeypatch.setattr(mlt_s, "read_member", counted)
    return read


@pytest.mark.parametrize("is_unpacked", [False, True])
def test_the_authors_own_are_not_looked_at_and_may_be_uncertain_throughout(
    load_registered, images, looked_at, is_unpacked
):
    archive = write_zip(images / "MLT_S_labels.zip", labels_of(uncertain_file))
    if is_unpacked:
        unpacked(archive, images)
    stream = load_registered(images, split="train", streaming=True)
    assert looked_at == []
    assert np.array_equal(np.asarray(next(iter(stream))["label"]), 255 * (label_values(seed=1) == 255))


def test_the_downloaded_archive_is_not_looked_at(load_registered, serve, images, tmp_path, monkeypatch, looked_at):  # noqa: F811
    content = write_zip(tmp_path / "a.zip", labels_of(uncertain_file)).read_bytes()
    monkeypatch.setattr(mlt_s, "LABELS_URL", serve(answer_with(content)).url)
    stream = load_registered(images, split="train", streaming=True)
    assert looked_at == [] and len(list(stream)) == 5


def test_a_few_of_others_are_looked_at(load_registered, images, tmp_path, looked_at):
    more = labels_of(label_file, train=100, validation=3)
    write_zip(images / "ch8_training_images_3.zip", {f"img_{n}.jpg": image_file(n) for n in range(6, 101)})
    others = str(write_zip(tmp_path / "other_labels.zip", more))
    load_registered(images, label_maps=others, streaming=True)
    assert 2 <= len(looked_at) <= 6


@pytest.mark.parametrize("other", [uncertain_file, lambda seed: png(0 * text_of(seed))], ids=["uncertain", "blank"])
def test_one_with_text_among_those_without_is_enough(load_registered, images, tmp_path, other):
    labels = labels_of(lambda seed: (label_file if seed % 500 == 2 else other)(seed))  # not one of the first few
    others = str(write_zip(tmp_path / "others.zip", labels))
    train = load_registered(images, split="train", label_maps=others)
    assert np.array_equal(np.asarray(train[1]["label"]), label_values(seed=2))


@pytest.mark.parametrize("text_value", [1, 255])
def test_label_maps_without_a_mark_fit_any_text_value(load_registered, images, tmp_path, text_value):
    blank = str(write_zip(tmp_path / "blank.zip", labels_of(lambda seed: png(0 * text_of(seed)))))
    train = load_registered(images, split="train", label_maps=blank, text_value=text_value)
    assert not np.asarray(train[4]["label"]).any()


def signed(file):
    return lambda seed: png_with(file(seed), b"tEXt", b"Software\0mlt-s weak baseline")


def test_label_maps_by_mlt_s_weak_may_be_uncertain_throughout(load, images, tmp_path):
    weak = str(write_zip(tmp_path / "weak.zip", labels_of(signed(uncertain_file))))
    train = load(images, split="train", label_maps=weak)
    assert np.array_equal(np.asarray(train[1]["label"]), 255 * (label_values(seed=2) == 255))


def test_signed_label_maps_keep_their_values_beside_masks(load_registered, images, masks, tmp_path):
    write_zip(images / "ch8_training_images_3.zip", {f"img_{n}.jpg": image_file(n) for n in (6, 7)})
    made = label_members({"img_6": signed(label_file)(6), "img_7": signed(uncertain_file)(7)}, {})
    weak = str(write_zip(tmp_path / "weak.zip", made))
    train = load_registered(images, split="train", label_maps=[masks, weak], text_value=255)
    assert np.array_equal(np.asarray(train[0]["label"]), text_of(1))
    assert np.array_equal(np.asarray(train[5]["label"]), label_values(seed=6))
    assert np.array_equal(np.asarray(train[6]["label"]), 255 * (label_values(seed=7) == 255))
    assert train[5]["label"].info["Software"] == "mlt-s weak baseline"


def test_masks_among_label_maps_by_mlt_s_weak_are_seen(load_registered, images, tmp_path):
    mixed = labels_of(lambda seed: (signed(label_file) if seed % 2 else mask_file)(seed))
    mixed = str(write_zip(tmp_path / "mixed.zip", mixed))
    assert_is_refused_with_the_option(load_registered, images, label_maps=mixed)


# --- The wrong option, and other values ------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [False, True])
def test_the_option_for_label_maps_that_hold_1_is_refused(load, folder, streaming):
    text = str(failure(lambda: load(folder, text_value=255, streaming=streaming)))
    assert text.startswith(f"text_value=255 does not fit {folder / 'MLT_S_labels.zip'}, member MLT_S_labels/training_")
    assert "it holds the values 0, 1 and 255" in text
    assert not prepared(load)


@pytest.mark.parametrize("text_value", [1, 255])
@pytest.mark.parametrize("streaming", [False, True])
def test_three_levels_are_refused_with_the_values(load, images, tmp_path, text_value, streaming):
    grey = labels_of(lambda seed: png(np.where(label_values(seed=seed) == 1, 128, label_values(seed=seed))))
    grey = str(write_zip(tmp_path / "grey.zip", grey))
    text = str(failure(lambda: load(images, label_maps=grey, text_value=text_value, streaming=streaming)))
    assert f"{grey}, member MLT_S_labels/training_labels/img_" in text and "the values 0, 128 and 255" in text
    assert "load_dataset(" not in text and not prepared(load)


def test_many_values_are_refused_with_their_range(load_registered, images, tmp_path):
    smooth = labels_of(lambda seed: png(np.arange(384).reshape(16, 24) % 200))
    text = str(failure(lambda: load_registered(images, label_maps=str(write_zip(tmp_path / "s.zip", smooth)))))
    assert "it holds 200 values, from 0 to 199" in text


def test_a_single_mask_of_other_values_is_named_when_it_is_read(load_registered, images, tmp_path):
    members = labels_of(mask_file)
    members["MLT_S_labels/training_labels/img_2.png"] = label_file(2)  # not one of those that are looked at
    odd = str(write_zip(tmp_path / "odd.zip", members))
    text = str(failure(lambda: load_registered(images, label_maps=odd, text_value=255)))
    assert f"{odd}, member MLT_S_labels/training_labels/img_2.png " in text and "the values 0, 1 and 255" in text


def test_a_damaged_mask_is_named_when_it_is_read(load_registered, images, tmp_path):
    members = {name: content[:-30] for name, content in labels_of(mask_file).items()}
    cut = str(write_zip(tmp_path / "cut.zip", members))
    stream = load_registered(images, label_maps=cut, split="train", streaming=True)
    assert f"{cut}, member MLT_S_labels/training_labels/img_1.png is cut off" in str(failure(lambda: list(stream)))


def test_each_of_several_sources_is_judged_by_itself_and_what_the_error_says_helps(
    load_registered, folder, tmp_path, capsys
):
    write_zip(folder / "ch8_training_images_3.zip", {"img_6.jpg": image_file(6)})
    authors, more = str(folder / "MLT_S_labels.zip"), tmp_path / "more" / "train"
    more.mkdir(parents=True)
    (more / "img_6.png").write_bytes(mask_file(6))
    both = [authors, str(more.parent)]
    assert_is_refused_with_the_option(load_registered, folder, label_maps=both, say=[str(more), "--text-value 255"])
    text = str(failure(lambda: load_registered(folder, label_maps=both, text_value=255)))
    assert authors in text and "mlt-s build DATA_DIR OUT --config labels --label-maps THESE --text-value 255" in text

    out = str(tmp_path / "out")
    command = ["build", str(folder), out, "--config", "labels", "--label-maps", str(more.parent)]
    assert cli.main([*command, "--text-value", "255", "--jobs", "1"]) == 0
    train = load_registered(folder, split="train", label_maps=[authors, out])
    assert np.array_equal(np.asarray(train[0]["label"]), label_values(seed=1))
    assert np.array_equal(np.asarray(train[5]["label"]), text_of(6))


def test_two_folders_side_by_side_are_two_sources(load_registered, images, tmp_path):
    write_zip(images / "ch8_training_images_3.zip", {f"img_{n}.jpg": image_file(n) for n in range(6, 11)})
    for name, file, numbers in (("a_train", label_file, range(1, 6)), ("b_train", mask_file, range(6, 11))):
        (tmp_path / "labels" / name).mkdir(parents=True)
        for n in numbers:
            (tmp_path / "labels" / name / f"img_{n}.png").write_bytes(file(n))
    labels = str(tmp_path / "labels")
    assert_is_refused_with_the_option(load_registered, images, label_maps=labels, say=[f"{labels}/b_train"])


# --- Whatever their PNG type -----------------------------------------------------------------------------------------

TEXT = text_of(0)
BITS = TEXT.astype(np.uint8)
BLACK_WHITE, WHITE_BLACK = [0, 0, 0, 255, 255, 255], [255, 255, 255, 0, 0, 0]
OPAQUE = np.full((*TEXT.shape, 1), 255, np.uint8)
GREY_RGB = np.repeat(255 * BITS[:, :, None], 3, 2)
LEVELS = [level for level in range(256) for _ in range(3)]

# What holds 0 and 1, and draws it black and white: right with and without the option.
EITHER = {
    "1-bit grey": raw_png(BITS, 1),
    "1-bit grey, as Pillow writes it": encoded(PIL.Image.fromarray(TEXT), "PNG"),
    "1-bit palette, black and white": raw_png(BITS, 1, 3, BLACK_WHITE),
    "8-bit palette of 0 and 1, black and white": raw_png(BITS, 8, 3, BLACK_WHITE),
}
# What the option is for.
MASKS = {
    "8-bit grey": raw_png(255 * BITS),
    "2-bit grey": raw_png(3 * BITS, 2),
    "4-bit grey": raw_png(15 * BITS, 4),
    "16-bit grey": raw_png(255 * BITS, 16),
    "8-bit palette of 0 and 255": raw_png(255 * BITS, 8, 3, LEVELS),
    "8-bit palette of 0 and 255, any colours": raw_png(255 * BITS, 8, 3, [at * 37 % 256 for at in range(768)]),
    "8-bit palette of 3 and 7": raw_png(3 + 4 * BITS, 8, 3, [9] * 9 + [0] * 3 + [9] * 9 + [255] * 3),
    "1-bit palette, white and black": raw_png(1 - BITS, 1, 3, WHITE_BLACK),
    "RGB": raw_png(GREY_RGB, 8, 2),
    "RGBA": raw_png(np.dstack([GREY_RGB, OPAQUE]), 8, 6),
    "grey and alpha": raw_png(np.dstack([255 * BITS[:, :, None], OPAQUE]), 8, 4),
}


def of_kind(tmp_path, file):
    return str(write_zip(tmp_path / "kind.zip", label_members({"img_1": file, "img_2": file}, {})))


@pytest.mark.parametrize("kind", [*EITHER, *MASKS])
def test_masks_of_any_png_type_are_read(load_registered, tmp_path, kind):
    labels = of_kind(tmp_path, {**EITHER, **MASKS}[kind])
    example = load_registered(None, "labels", "train", label_maps=labels, text_value=255, streaming=True)
    label = next(iter(example))["label"]
    assert label.mode == "L" and np.array_equal(np.asarray(label), TEXT)


@pytest.mark.parametrize("kind", MASKS)
def test_masks_of_any_png_type_are_refused_without_the_option(load_registered, tmp_path, kind):
    labels = of_kind(tmp_path, MASKS[kind])
    assert_is_refused_with_the_option(load_registered, None, "labels", label_maps=labels, streaming=True)


@pytest.mark.parametrize("kind", EITHER)
def test_0_and_1_are_background_and_text_in_black_and_white_too(load_registered, tmp_path, kind):
    train = load_registered(None, "labels", "train", label_maps=of_kind(tmp_path, EITHER[kind]), streaming=True)
    assert np.array_equal(np.asarray(next(iter(train))["label"]), TEXT)


RED_YELLOW = [0, 0, 0, 255, 0, 0] + [0] * 759 + [255, 222, 0]
YELLOW = np.array([[0, 0, 0], [255, 222, 0]], np.uint8)[BITS]

NO_MASKS = {
    "palette of 0 and 1, in a colour": (raw_png(BITS, 1, 3, [0, 0, 0, 128, 0, 0]), "the values 0 and 1"),
    "published palette": (raw_png(label_values(), 8, 3, RED_YELLOW), "the values 0, 1 and 255"),
    "published palette without text": (raw_png(255 * BITS, 8, 3, RED_YELLOW), "published colour of uncertain"),
    "published palette, uncertain throughout": (
        raw_png(np.full_like(BITS, 255), 8, 3, RED_YELLOW),
        "published colour of uncertain",
    ),
    "published colours without text": (raw_png(YELLOW, 8, 2), "it has colours"),
    "palette of 255 in black": (raw_png(255 * BITS, 8, 3, [255] * 3 + [0] * 765), "which one is text is not clear"),
    "2-bit grey of three levels": (raw_png(3 * BITS + (label_values() == 255), 2), "the values 0, 85 and 255"),
    "16-bit grey, full": (raw_png(BITS.astype(np.uint16) * 65535, 16), "the values 0 and 65535"),
}


@pytest.mark.parametrize("kind", NO_MASKS)
def test_what_is_no_mask_of_0_and_255_is_refused(load_registered, tmp_path, kind):
    file, reason = NO_MASKS[kind]
    labels = of_kind(tmp_path, file)
    text = str(failure(lambda: load_registered(None, "labels", label_maps=labels, text_value=255)))
    assert f"text_value=255 does not fit {labels}, member MLT_S_labels/training_labels/img_" in text and reason in text


@pytest.mark.parametrize(
    "kind, values",
    [
        ("published palette without text", 255 * BITS),
        ("published palette, uncertain throughout", np.full_like(BITS, 255)),
        ("published colours without text", 255 * BITS),
    ],
)
def test_what_says_by_its_colours_that_it_is_uncertain_is_right_as_it_is(load_registered, tmp_path, kind, values):
    labels = of_kind(tmp_path, NO_MASKS[kind][0])
    train = load_registered(None, "labels", "train", label_maps=labels)
    assert np.array_equal(np.asarray(train[0]["label"]), values)


# --- The commands ----------------------------------------------------------------------------------------------------


@pytest.fixture
def given(masks):
    return ["--label-maps", masks, "--text-value", "255"]


def report_of(folder, tmp_path, *options):
    status = cli.main(["check", str(folder), "--jobs", "1", "--json", str(tmp_path / "report.json"), *options])
    report = json.loads((tmp_path / "report.json").read_text())
    return status, report, report["problems"]


@once
@pytest.mark.parametrize("pixels", [[], ["--pixels"]])
def test_check_says_what_to_do(images, masks, tmp_path, capsys, pixels):
    status, _, problems = report_of(images, tmp_path, "--label-maps", masks, *pixels)
    found = [problem for problem in problems if problem["kind"] == "text-value"]
    assert status == 1 and [problem["split"] for problem in found] == ["train", "validation"]
    assert masks in found[0]["text"] and "the values 0 and 255" in found[0]["text"]
    assert "--text-value 255" in " ".join(capsys.readouterr().out.split())


@once
def test_check_counts_their_pixels_under_the_option(images, given, tmp_path):
    _, report, _ = report_of(images, tmp_path, "--pixels", *given)
    assert report["text_value"] == 255 and "text-value" not in [problem["kind"] for problem in report["problems"]]
    text = sum(int(text_of(n).sum()) for n in range(1, 6))
    shares = report["pixels"]["shares"]["train"]
    assert (shares["label_maps"], shares["text"], shares["uncertain"]) == (5, text, 0)


@once
@pytest.mark.parametrize("pixels, count", [([], 2), (["--pixels"], 8)])
def test_check_says_that_the_option_is_wrong(folder, tmp_path, pixels, count):
    status, _, problems = report_of(folder, tmp_path, "--text-value", "255", *pixels)
    found = [problem["text"] for problem in problems if problem["kind"] == "text-value"]
    assert status == 1 and len(found) == count and all("the values 0, 1 and 255" in text for text in found)


@once
def test_check_reads_masks_under_the_name_of_the_authors(images, tmp_path):
    write_zip(images / "MLT_S_labels.zip", labels_of(mask_file))
    kinds = [problem["kind"] for problem in report_of(images, tmp_path, "--pixels")[1]["problems"]]
    assert kinds.count("text-value") == 2


@once
@pytest.mark.parametrize("pixels", [[], ["--pixels"]])
def test_check_names_other_values(images, tmp_path, pixels):
    grey = labels_of(lambda seed: png(128 * text_of(seed)))
    _, _, problems = report_of(images, tmp_path, "--label-maps", str(write_zip(tmp_path / "g.zip", grey)), *pixels)
    found = [problem for problem in problems if problem["kind"] == "label-values"]
    assert found and len({problem["member"] for problem in found}) == len(found)
    assert all("128" in problem["text"] for problem in found)


@once
def test_preview_draws_them_as_text(images, masks, given, tmp_path, capsys):
    sheet, right = tmp_path / "sheet.png", tmp_path / "right.png"
    assert cli.main(["preview", str(images), "--out", str(sheet), "--label-maps", masks]) == 2
    assert "text_value=255)" in capsys.readouterr().err and not sheet.exists()
    assert cli.main(["preview", str(images), "--out", str(sheet), *given]) == 0
    write_zip(images / "MLT_S_labels.zip", labels_of(lambda seed: png(text_of(seed))))
    assert cli.main(["preview", str(images), "--out", str(right)]) == 0
    assert sheet.read_bytes() == right.read_bytes()


@once
def test_the_page_does_too(images, masks, given, tmp_path):
    page, right = tmp_path / "page.html", tmp_path / "right.html"
    assert cli.main(["preview", str(images), "--html", str(page), "--label-maps", masks]) == 2 and not page.exists()
    assert cli.main(["preview", str(images), "--html", str(page), *given]) == 0
    write_zip(images / "MLT_S_labels.zip", labels_of(lambda seed: png(text_of(seed))))
    assert cli.main(["preview", str(images), "--html", str(right)]) == 0
    assert page.read_bytes() == right.read_bytes()


@pytest.mark.parametrize("palette", [[], ["--palette"]])
def test_build_writes_values_of_the_schema(images, masks, given, tmp_path, palette, capsys):
    out = tmp_path / "built"
    assert cli.main(["build", str(images), str(out), "--jobs", "1", "--label-maps", masks, *palette]) == 2
    assert "text_value=255)" in capsys.readouterr().err and not out.exists()
    assert cli.main(["build", str(images), str(out), "--jobs", "1", *given, *palette]) == 0
    built = datasets.load_dataset(str(out), split="validation", cache_dir=str(tmp_path / "cache"))
    assert np.array_equal(np.asarray(built[2]["label"]), text_of(503))
    assert "text in label maps, which was 255, got the value 1" in " ".join((out / "README.md").read_text().split())


@once
def test_a_build_with_another_text_value_is_another_build(folder, tmp_path, capsys):
    write_zip(folder / "MLT_S_labels.zip", labels_of(mask_file))
    out = tmp_path / "built"
    assert cli.main(["build", str(folder), str(out), "--jobs", "1"]) == 0
    written = {path.name: path.read_bytes() for path in out.rglob("*.parquet")}
    assert cli.main(["build", str(folder), str(out), "--jobs", "1", "--text-value", "255"]) == 2
    assert "text was 1, and not 255" in capsys.readouterr().err
    assert written == {path.name: path.read_bytes() for path in out.rglob("*.parquet")}


@once
def test_a_build_from_before_there_was_the_option_is_one_with_1(folder, tmp_path):
    out = tmp_path / "built"
    mlt_s_tools.build(folder, out, jobs=1)
    said = json.loads((out / manifest.MANIFEST).read_text())
    del said["text_value"]
    (out / manifest.MANIFEST).write_text(json.dumps(said))
    mlt_s_tools.build(folder, out, jobs=1)


@once
def test_evaluate_takes_them_for_text(images, masks, given, tmp_path, capsys):
    (tmp_path / "predictions").mkdir()
    for n in range(1, 4):
        (tmp_path / "predictions" / f"img_{n}.png").write_bytes(mask_file(500 + n))
    command = ["evaluate", str(tmp_path / "predictions"), str(images)]
    assert cli.main([*command, "--label-maps", masks]) == 2
    assert "text_value=255)" in capsys.readouterr().err
    cli.main([*command, *given])
    assert "fgIoU      100.00 %" in capsys.readouterr().out


@once
def test_weak_evaluate_takes_them_for_text(images, masks, given, tmp_path, capsys):
    add_words(images, range(1, 6), range(1, 4))
    command = ["weak", "evaluate", str(images), "--model", "baseline"]
    assert cli.main([*command, "--label-maps", masks]) == 2
    assert "text_value=255)" in capsys.readouterr().err
    assert cli.main([*command, *given, "--json", str(tmp_path / "weak.json")]) == 0
    assert json.loads((tmp_path / "weak.json").read_text())["uncertain_share_of_authors"] == 0


@once
def test_weak_train_takes_them_for_text(shipped, images, masks, given, tmp_path, capsys):
    add_words(images, range(1, 6), range(1, 4))
    command = ["weak", "train", str(images), str(tmp_path / "network"), "--steps", "1", "--even-if-worse"]
    assert cli.main([*command, "--label-maps", masks]) == 2
    assert "text_value=255)" in capsys.readouterr().err
    assert cli.main([*command, *given]) == 0
    assert (tmp_path / "network" / "weak.json").exists()


@once
def test_a_training_on_another_text_value_is_another_one(folder):
    write_zip(folder / "MLT_S_labels.zip", labels_of(mask_file))
    digests = {
        label.digest_of(label.Task("train", pair) for pair in ArchiveDataset(folder, "train", text_value=value).pairs)
        for value in (1, 255)
    }
    assert len(digests) == 2


@once
def test_weak_label_gives_the_call_that_loads_both(load_registered, images, masks, given, tmp_path, capsys):
    write_zip(images / "ch8_training_images_3.zip", {"img_6.jpg": image_file(6)})
    add_words(images, range(1, 7), range(1, 4))
    out = str(tmp_path / "weak.zip")
    assert cli.main(["weak", "label", str(images), out, "--model", "baseline", "--unlabelled-only", *given]) == 0
    call = re.search(r"load_dataset\(.*\)", capsys.readouterr().out)[0]
    _, options = eval(call, {"load_dataset": lambda *names, **options: (names, options)})
    assert options == {"data_dir": str(images), "label_maps": [masks, out], "text_value": 255}
    train = load_registered(split="train", **options)
    assert np.array_equal(np.asarray(train[0]["label"]), text_of(1))
    assert train[5]["label"].info["Software"] == "mlt-s weak baseline"


@once
def test_weak_label_has_no_use_for_the_option_alone(images, tmp_path, capsys):
    with pytest.raises(SystemExit):
        cli.main(["weak", "label", str(images), str(tmp_path / "weak.zip"), "--text-value", "255"])
    assert "--text-value needs --unlabelled-only" in capsys.readouterr().err


@once
@pytest.mark.parametrize(
    "command", ["check X", "preview X", "build X Y", "evaluate P X", "weak train X Y", "weak repair X Y"]
)
def test_no_command_takes_another_value(command, capsys):
    with pytest.raises(SystemExit):
        cli.main([*command.split(), "--text-value", "128"])
    assert "invalid choice: 128" in capsys.readouterr().err
