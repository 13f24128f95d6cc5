"""`mlt-s build`: its files open with `datasets` alone, equal the archives' contents, and it resumes after a stop."""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import datasets
import filelock
import forks
import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archives import (
    add_words,
    image_file,
    label_file,
    label_members,
    label_values,
    mlt,
    png_with,
    words_of,
    write_pairs,
    write_zip,
)
from conftest import ROOT
from hub import Hub

import mlt_s
import mlt_s_tools
from mlt_s_tools import cli, resuming
from mlt_s_tools.hub import manifest, plan, shards
from mlt_s_tools.hub.palette import with_palette

# Another interpreter, with another version of `datasets`, to build what this one opens.
BUILD_WITH = os.environ.get("MLT_S_BUILD_WITH", sys.executable)
TRAIN, VALIDATION = 5, 3
SEEDS = {"train": {f"img_{n}": n for n in range(1, 6)}, "validation": {f"img_{n}": 500 + n for n in range(1, 4)}}
SHARD_SIZE = 1800  # of two or three pairs of these pictures

# Small files, of few pairs, as the fixture `small` has them.
RUN = f"""
import sys
from mlt_s_tools import cli
from mlt_s_tools.hub import plan, shards
plan.SHARD_SIZE = {SHARD_SIZE}
shards.ROW_GROUP_ROWS = 2
"""
COLORS = {0: (0, 0, 0), 1: (255, 0, 0), 255: (255, 222, 0)}


def archives(folder):
    return add_words(mlt(folder, TRAIN, VALIDATION), range(1, TRAIN + 1), range(1, VALIDATION + 1))


@pytest.fixture
def source(tmp_path):
    return archives(tmp_path / "mlt")


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """Archives, and a build of all configurations that nothing changes."""
    folder = tmp_path_factory.mktemp("everything")
    source, out = archives(folder / "mlt"), folder / "out"
    code = f"{RUN}\nsys.exit(cli.main(sys.argv[1:]))"
    words = ["build", str(source), str(out), "--config", "labels", "words", "segmentation"]
    subprocess.run([BUILD_WITH, "-c", code, *words], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    return source, out


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(plan, "SHARD_SIZE", SHARD_SIZE)
    monkeypatch.setattr(shards, "ROW_GROUP_ROWS", 2)


def run(*words, before="", environment=os.environ):
    """`mlt-s build` in a process of its own, after some code."""
    code = f"{RUN}\n{textwrap.dedent(before)}\nsys.exit(cli.main(sys.argv[1:]))"
    return forks.python(code, "build", *words, env={**environment, "PYTHONPATH": str(ROOT)})


def content(out):
    """SHA-256 of each file, by path."""
    files = sorted(path for path in Path(out).rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def parquet(out):
    return sorted(path.relative_to(out).as_posix() for path in Path(out).rglob("*.parquet"))


def rows(path):
    return pq.ParquetFile(path).read().to_pylist()


def refused(source, out, **options):
    """The error of a build, and that it left the folder as it was."""
    before = content(out) if Path(out).is_dir() else None
    with pytest.raises(mlt_s.MltSError) as error:
        mlt_s_tools.build(source, out, jobs=1, **options)
    assert (content(out) if Path(out).is_dir() else None) == before
    return str(error.value)


# --- What is written -----------------------------------------------------------------------------------------------

OPEN = """
import json, sys
import numpy as np
from datasets import load_dataset

folder, cache = sys.argv[1:]
told = {}
for config in json.load(open(f"{folder}/manifest.json"))["configs"]:
    for streaming in False, True:
        loaded = load_dataset(folder, config, streaming=streaming, cache_dir=cache)
        for split, examples in loaded.items():
            rows = told.setdefault(f"{config} {split} {streaming}", [])
            for example in examples:
                row = {"image_id": example["image_id"]}
                for column in {"image", "label"} & set(example):
                    row[column] = [example[column].mode, np.asarray(example[column]).tolist()]
                if "words" in example:
                    row["words"] = example["words"]
                rows.append(row)
first = list(load_dataset(folder, cache_dir=cache)["train"].features)
assert "mlt_s" not in sys.modules and "mlt_s_tools" not in sys.modules
print(json.dumps([told, first]))
"""


def opened(out, tmp_path):
    """Every example of every configuration, prepared and streamed, by a process that has nothing but `datasets`."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = forks.python(OPEN, out, tmp_path / "cache", env={**environment, "HF_HUB_OFFLINE": "1"}, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def pixels(file):
    return np.asarray(PIL.Image.open(io.BytesIO(file)).convert("RGB")).tolist()


def expected(config, split, label_mode="L"):
    """The examples as the archives were made."""
    for image_id, seed in SEEDS[split].items():
        row = {"image_id": image_id, "label": [label_mode, label_values(seed=seed).tolist()]}
        if config != "labels":
            row["image"] = ["RGB", pixels(image_file(seed))]
        if config == "words":
            lines = words_of(seed)
            row["words"] = mlt_s.parse_words("\n".join(lines).encode(), "ground truth")
        yield row


def test_all_configurations_open_with_nothing_but_datasets(everything, tmp_path):
    told, default = opened(everything[1], tmp_path)
    assert len(told) == 12 and default == ["image_id", "image", "label"]
    for key, examples in told.items():
        config, split, _ = key.split()
        assert examples == list(expected(config, split)), key


def test_a_palette_changes_how_label_maps_look_and_no_pixel(source, out, tmp_path):
    words = ["build", str(source), str(out), "--palette", "--config", "segmentation", "labels", "--jobs", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([BUILD_WITH, "-m", "mlt_s_tools.cli", *words], env=environment, check=True)
    told, _ = opened(out, tmp_path)
    assert len(told) == 8
    for key, examples in told.items():
        config, split, _ = key.split()
        assert examples == list(expected(config, split, label_mode="P")), key
    for row, seed in zip(rows(out / parquet(out)[0]), SEEDS["train"].values()):
        shown = PIL.Image.open(io.BytesIO(row["label"]["bytes"])).convert("RGB")
        assert np.array_equal(shown, mlt_s.LABEL_MAP.colorize(label_values(seed=seed)))


def test_a_palette_keeps_the_compressed_pixels_and_drops_chunks_about_grey_levels():
    grey = png_with(png_with(label_file(1), b"tRNS", b"\0\1"), b"bKGD", b"\0\0")
    chunks = {kind: piece for kind, _, piece in mlt_s.png_chunks(grey)}
    colored = [(kind, piece) for kind, _, piece in mlt_s.png_chunks(with_palette(grey)) if kind]
    assert [kind for kind, _ in colored] == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    assert colored[2][1] == chunks[b"IDAT"]
    colors = PIL.Image.open(io.BytesIO(with_palette(grey))).getpalette("RGB")
    assert {value: tuple(colors[3 * value : 3 * value + 3]) for value in COLORS} == COLORS
    assert sum(map(any, zip(*[iter(colors)] * 3))) == 2  # all others are black, so that none is an error


def test_the_bytes_are_those_that_loading_gives_and_no_path_stands_beside_them(everything):
    source, out = everything
    loaded = mlt_s.MltS(config_name="words", data_dir=str(source)).as_streaming_dataset()
    for split in SEEDS:
        stream = loaded[split]
        for column in "image", "label":
            stream = stream.cast_column(column, datasets.Image(decode=False))
        read = [row for path in parquet(out) if path.startswith(f"data/{split}") for row in rows(out / path)]
        assert read == list(stream)
        assert all(row["image"]["path"] is None is row["label"]["path"] for row in read)


def test_files_follow_the_order_of_the_pairs(source, out, small):
    mlt_s_tools.build(source, out, configs=("segmentation", "labels"), jobs=1)
    assert parquet(out) == [
        "data/train-00000-of-00003.parquet",
        "data/train-00001-of-00003.parquet",
        "data/train-00002-of-00003.parquet",
        "data/validation-00000-of-00002.parquet",
        "data/validation-00001-of-00002.parquet",
        "labels/train-00000-of-00001.parquet",
        "labels/validation-00000-of-00001.parquet",
    ]
    for folder in "data", "labels":
        for split, seeds in SEEDS.items():
            paths = [path for path in parquet(out) if path.startswith(f"{folder}/{split}")]
            assert [row["image_id"] for path in paths for row in rows(out / path)] == list(seeds)


def test_a_pair_larger_than_a_file_has_one_of_its_own_and_none_is_empty(tmp_path, monkeypatch):
    small, large = image_file(1), image_file(2, "PNG", 200, 150)
    sized = {"img_1.jpg": (small, label_file(1)), "img_2.png": (large, label_file(2, 200, 150))}
    folder = write_pairs(tmp_path / "mlt", {**sized, "img_3.jpg": (small, label_file(3))})
    monkeypatch.setattr(plan, "SHARD_SIZE", len(large) // 3)
    found = plan.make(folder).shards
    assert [shard.path[-20:] for shard in found] == [
        f"{n:05d}-of-{len(found):05d}.parquet"[-20:] for n in range(len(found))
    ]
    assert [pair.image_id for shard in found for pair in shard.pairs] == ["img_1", "img_2", "img_3"]
    assert all(shard.pairs for shard in found) and len(found) in (2, 3)


@pytest.mark.parametrize(
    "sizes, files",
    [
        ([1, 1, 1, 1], [2, 2]),  # its end would put the second pair into the next file, and the last one beyond
        ([2, 3, 2, 1], [2, 2]),  # the second pair begins in the first file and ends in the next
        ([3, 5, 1, 1], [1, 3]),  # and here its middle lies in the next one
    ],
)
def test_the_middle_of_a_pair_tells_its_file(tmp_path, monkeypatch, sizes, files):
    labels = {f"img_{n}": label_file(n).ljust(size * 1000, b"\0") for n, size in enumerate(sizes, 1)}
    folder = write_zip(tmp_path / "mlt" / "MLT_S_labels.zip", label_members(labels, {}))
    monkeypatch.setattr(plan, "SHARD_SIZE", sum(sizes) * 1000 // 2)
    planned = plan.make(folder.parent, ("labels",)).shards
    assert [len(shard.pairs) for shard in planned] == files


def test_row_groups_are_small_have_page_indexes_and_no_compression(source, out, monkeypatch):
    monkeypatch.setattr(shards, "ROW_GROUP_ROWS", 2)
    mlt_s_tools.build(source, out, jobs=1)
    data = pq.ParquetFile(out / "data/train-00000-of-00001.parquet").metadata
    groups = [data.row_group(number) for number in range(data.num_row_groups)]
    assert [group.num_rows for group in groups] == [2, 2, 1]
    columns = [group.column(number) for group in groups for number in range(group.num_columns)]
    assert all(column.has_offset_index for column in columns)
    assert {column.compression for column in columns} == {"UNCOMPRESSED"}
    assert not any("DICTIONARY" in encoding for column in columns for encoding in column.encodings)


@pytest.mark.parametrize("rows, groups", [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 1])])
def test_row_groups_end_at_their_size(source, out, monkeypatch, rows, groups):
    monkeypatch.setattr(shards, "ROW_GROUP_SIZE", rows * (len(image_file(1)) + len(label_file(1))) + 100)
    mlt_s_tools.build(source, out, jobs=1)
    data = pq.ParquetFile(out / "data/train-00000-of-00001.parquet").metadata
    assert [data.row_group(number).num_rows for number in range(data.num_row_groups)] == groups


def test_a_row_group_has_at_most_100_rows_and_16_megabytes():
    assert (shards.ROW_GROUP_ROWS, shards.ROW_GROUP_SIZE, plan.SHARD_SIZE) == (100, 16_000_000, 500_000_000)


def test_the_features_stand_in_the_files_as_every_version_reads_them(everything):
    out = everything[1]
    for path in parquet(out):
        if path.startswith("labels"):
            continue
        features = json.loads(pq.read_schema(out / path).metadata[b"huggingface"])["info"]["features"]
        assert list(features) == ["image_id", "image", "label", "words"]
        assert features["image"]["_type"] == features["label"]["_type"] == "Image"
        assert isinstance(features["words"], list) and '"List"' not in json.dumps(features)


def test_the_manifest_holds_counts_and_sums_and_nothing_of_the_machine(source, out):
    whole = mlt_s_tools.build(source, out, configs=("labels", "words"), jobs=1)
    told = json.loads((out / "manifest.json").read_text())
    identity = ["format", "configs", "palette", "text_value", "source", "code", "pyarrow"]
    assert sorted(told) == sorted([*identity, "examples", "weak", "card", "files"])
    assert told["examples"] == dict.fromkeys(["words", "labels"], {"train": TRAIN, "validation": VALIDATION})
    assert (told["configs"], told["palette"], told["text_value"]) == (["words", "labels"], False, 1)
    for file, of in zip(told["files"], whole.files):
        data = (out / file["path"]).read_bytes()
        table = pq.read_table(out / file["path"])
        assert (file["size"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert (file["rows"], file["split"]) == (table.num_rows, of.split)
        assert abs(file["nbytes"] - table.nbytes) <= 8 * 20  # of the offsets at the ends of its row groups
    assert [file["path"] for file in told["files"]] == parquet(out)
    assert str(source) not in (out / "manifest.json").read_text()
    assert {path.name for path in out.iterdir()} == {
        "data", "labels", "README.md", "croissant.json", "id2label.json", "manifest.json", "preview.png",
    }  # fmt: skip


def test_one_process_and_two_write_the_same_bytes(source, tmp_path, small):
    mlt_s_tools.build(source, tmp_path / "one", configs=("words", "labels"), jobs=1)
    mlt_s_tools.build(source, tmp_path / "two", configs=("words", "labels"), jobs=2)
    assert content(tmp_path / "one") == content(tmp_path / "two") and len(parquet(tmp_path / "one")) == 7


def test_it_says_what_was_written_and_how_to_open_it(source, out, small, capsys):
    assert cli.main(["build", str(source), str(out), "--config", "words", "segmentation"]) == 0
    said = capsys.readouterr().out
    size = sum((out / path).stat().st_size for path in parquet(out))
    assert said.splitlines() == [
        f"{out}: 5 Parquet files, {size / 1e3:.1f} kB, read back and compared with the archives",
        "  segmentation: train 5, validation 3",
        "  words: train 5, validation 3",
        f'It opens without this project: load_dataset("{out}")',
    ]


def test_unverified_it_says_so(source, out, capsys):
    assert cli.main(["build", str(source), str(out), "--no-verify"]) == 0
    assert ", not verified\n" in capsys.readouterr().out


def test_label_maps_alone_need_no_images(source, out):
    for archive in source.glob("ch8_*"):
        archive.unlink()
    mlt_s_tools.build(source, out, configs="labels", jobs=1)
    assert [row["image_id"] for row in rows(out / parquet(out)[0])] == list(SEEDS["train"])


def test_label_maps_may_lie_elsewhere(source, out, tmp_path):
    elsewhere = shutil.move(source / "MLT_S_labels.zip", tmp_path / "MLT_S_labels.zip")
    mlt_s_tools.build(source, out, label_maps=elsewhere, jobs=1)
    assert [row["image_id"] for row in rows(out / parquet(out)[0])] == list(SEEDS["train"])


def test_from_an_address_it_is_the_same(source, tmp_path, small):
    mlt_s_tools.build(source, tmp_path / "local", jobs=1)
    mlt_s_tools.build(f"file://{source}", tmp_path / "remote", verify=False, jobs=2)  # by processes that start afresh
    local, remote = content(tmp_path / "local"), content(tmp_path / "remote")
    assert local == remote and len(local) == 10


# --- What cannot be built ------------------------------------------------------------------------------------------


def test_an_unknown_configuration(source, out):
    text = refused(source, out, configs=("words", "boxes"))
    assert text == "There is no configuration 'boxes': choose from segmentation, words, labels."


def test_no_configuration(source, out):
    assert refused(source, out, configs=()).startswith("There is no configuration to build: choose from")


def test_words_without_ground_truth(tmp_path, out):
    text = refused(mlt(tmp_path / "mlt"), out, configs=("segmentation", "words"))
    assert text.startswith("There is no ground truth of MLT in ")


def test_missing_images(source, out):
    (source / "ch8_validation_images.zip").unlink()
    assert "3 label maps of the validation split without an image" in refused(source, out)
    assert not out.exists()


def test_what_is_there_can_be_built(source, out, capsys):
    (source / "ch8_training_images_2.zip").unlink()  # img_4 and img_5
    mlt_s_tools.build(source, out, missing_images="skip", jobs=1)
    assert "  segmentation: train 3, validation 3\n" in capsys.readouterr().out
    assert [row["image_id"] for row in rows(out / parquet(out)[0])] == ["img_1", "img_2", "img_3"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_pair_that_cannot_be_read_stops_it_with_its_name(source, out, small, jobs):
    archive = source / "ch8_validation_images.zip"
    data = bytearray(archive.read_bytes())
    at = data.index(b"img_2.jpg") + 200
    data[at] ^= 0xFF
    archive.write_bytes(data)
    with pytest.raises(mlt_s.MltSError, match=r"ch8_validation_images.zip, member img_2.jpg cannot be read"):
        mlt_s_tools.build(source, out, jobs=jobs)
    assert not list(out.rglob("*.part")) and not (out / "manifest.json").exists()


def test_a_folder_with_other_things(source, out):
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    said = refused(source, out)
    assert f"{out} is not empty" in said and "holds notes.txt" in said and "Give a new folder" in said


def test_a_manifest_of_another_program(source, out):
    out.mkdir()
    (out / "manifest.json").write_text('{"name": "app"}')
    said = refused(source, out)
    assert "is not empty" in said and "holds manifest.json" in said


def test_a_file_in_place_of_the_folder(source, out):
    out.write_text("mine")
    assert refused(source, out).startswith(f"{out} is a file")


def test_a_folder_inside_of_the_archives(source):
    text = refused(source, source / "built")
    assert text.startswith(f"{source / 'built'} lies in {source}, where the loader would find its pictures:")


def test_a_folder_among_the_archives_is_refused_by_whatever_path(source, tmp_path):
    link = tmp_path / "elsewhere"
    link.symlink_to(source, target_is_directory=True)
    with pytest.raises(mlt_s.MltSError, match="where the loader would find its pictures"):
        mlt_s_tools.build(source, link / "built", jobs=1)
    assert not (source / "built").exists()


def test_a_build_of_other_configurations(source, out):
    mlt_s_tools.build(source, out, configs=("labels",), jobs=1)
    text = refused(source, out, configs=("words",))
    assert text == f"{out} holds another build, of labels. Give another folder, or remove this one."


def test_a_build_with_palettes(source, out):
    mlt_s_tools.build(source, out, configs=("labels",), jobs=1)
    text = refused(source, out, configs=("labels",), palette=True)
    assert "holds another build, where label maps have a palette, or have none, unlike here." in text


def test_a_build_of_other_archives(source, out, tmp_path):
    mlt_s_tools.build(source, out, jobs=1)
    assert "holds another build, of other archives." in refused(mlt(tmp_path / "other", train=4), out)


def written_elsewhere(path, **versions):
    """Changes the record of a build, or its first line, to that of a build by other versions."""
    head, end, rest = (path.read_text(), "", "") if path.name == manifest.MANIFEST else path.read_text().partition("\n")
    path.write_text(json.dumps({**json.loads(head), **versions}) + end + rest)


OTHERS = {"pyarrow": "by pyarrow 9.0.0, which writes other bytes", "code": "by another version of mlt_s.py"}


@pytest.mark.parametrize("version", OTHERS)
def test_an_unfinished_build_by_other_versions(source, out, small, monkeypatch, version):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("mlt_s_tools.hub.verify._compare", interrupt)  # all of it is written, but not read back
        mlt_s_tools.build(source, out, jobs=1)
    written_elsewhere(out / manifest.RECORD, **{version: "9.0.0"})
    assert f"{out} holds another build, {OTHERS[version]}" in refused(source, out)


@pytest.mark.parametrize("version", OTHERS)
def test_a_finished_build_by_other_versions_that_lacks_a_file(source, out, small, version):
    mlt_s_tools.build(source, out, jobs=1)
    written_elsewhere(out / manifest.MANIFEST, **{version: "9.0.0"})
    gone = parquet(out)[1]
    (out / gone).unlink()
    text = refused(source, out)
    assert f"{out} holds another build, {OTHERS[version]}" in text and f"and lacks {gone}." in text


def test_a_finished_build_by_other_versions_is_still_that_of_its_archives(source, out, tmp_path):
    mlt_s_tools.build(source, out, jobs=1)
    written_elsewhere(out / manifest.MANIFEST, pyarrow="9.0.0", code="0")
    assert "holds another build, of other archives." in refused(mlt(tmp_path / "other", train=4), out)
    assert "where label maps have a palette" in refused(source, out, palette=True)
    assert "holds another build, of segmentation." in refused(source, out, configs=("words",))


def test_two_builds_at_once(source, out, monkeypatch):
    monkeypatch.setattr(resuming, "PATIENCE", 0)
    with manifest.held(out), pytest.raises(mlt_s.MltSError) as error:
        mlt_s_tools.build(source, out, jobs=1)
    assert str(error.value).startswith(f"Another mlt-s build is writing to {out}: wait for it")


def test_a_build_that_waited_while_another_one_took_its_folder_away(source, out, monkeypatch):
    acquire, waited = filelock.FileLock.acquire, []

    def acquired(lock, **options):
        result = acquire(lock, **options)
        if not waited and Path(lock.lock_file).name == manifest.LOCK:
            waited.append(lock)
            shutil.rmtree(out)
        return result

    monkeypatch.setattr(filelock.FileLock, "acquire", acquired)
    assert mlt_s_tools.build(source, out, configs=("labels",), jobs=1).rows_of("labels", "train") == TRAIN
    assert waited and not (out / manifest.LOCK).exists()


def test_too_little_space_is_found_before(source, out, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6, 1))
    text = refused(source, out)
    assert text.startswith(f"There is not enough space for {out}") and "1 B are free" in text


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_is_one_clear_line_and_the_rest_follows_later(source, out, tmp_path, small, jobs):
    limited = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))"
    ran = run(source, out, "--jobs", jobs, before=limited)
    last = ran.stderr.splitlines()[-1]
    assert ran.returncode == 2 and f"no space left in {out}" in last and "run the same command again" in last
    assert not list(out.rglob("*.part")) and "Traceback" not in ran.stderr
    assert_goes_on(source, out, tmp_path)


def assert_goes_on(source, out, tmp_path):
    """Builds again: the bytes are those of an uninterrupted build, and finished files are left alone."""
    recorded = [json.loads(line)["path"] for line in (out / manifest.RECORD).read_text().splitlines()[1:]]
    kept = {path: (out / path).stat() for path in recorded}
    mlt_s_tools.build(source, out, jobs=1)
    for path, status in kept.items():
        now = (out / path).stat()
        assert (now.st_ino, now.st_mtime_ns) == (status.st_ino, status.st_mtime_ns), path
    mlt_s_tools.build(source, tmp_path / "straight", jobs=1)
    assert content(out) == content(tmp_path / "straight")
    return recorded


# --- Stopped, and gone on ------------------------------------------------------------------------------------------

# A process gets a signal when img_4 is to be read, which is in no first file, and as soon as a file is whole.
STOPPED = """
import os, signal, time
import mlt_s
read = mlt_s.read_example
def read_example(pair, *others):
    while pair.image_id == "img_4":
        if os.path.exists({record!r}) and open({record!r}).read().count("\\n") > {whole}:
            os.kill({process}, signal.{signal})
            break
        time.sleep(0.01)
    return read(pair, *others)
mlt_s.read_example = read_example
"""


@pytest.mark.parametrize("signal_name, jobs", [("SIGKILL", 1), ("SIGKILL", 2), ("SIGINT", 1), ("SIGINT", 2)])
def test_a_stopped_build_goes_on_with_the_files_that_are_not_whole(source, out, tmp_path, small, signal_name, jobs):
    process = "os.getpid()" if jobs == 1 else "os.getppid()"
    record = str(out / manifest.RECORD)
    before = STOPPED.format(record=record, whole=1, process=process, signal=signal_name)
    ran = run(source, out, "--jobs", jobs, before=before)
    assert ran.returncode == (130 if signal_name == "SIGINT" else -signal.SIGKILL), ran.stderr
    if signal_name == "SIGINT":
        last = ran.stderr.splitlines()[-1]
        assert last.startswith("mlt-s: interrupted") and "Traceback" not in ran.stderr
        assert not list(out.rglob("*.part"))
    assert not (out / "manifest.json").exists()
    assert assert_goes_on(source, out, tmp_path)  # of two processes, either may be the first to write a file


def test_a_process_that_is_killed_is_no_hang(source, out, tmp_path, small):
    record = str(out / manifest.RECORD)
    before = STOPPED.format(record=record, whole=0, process="os.getpid()", signal="SIGKILL")
    ran = run(source, out, "--jobs", 2, before=before)
    last = ran.stderr.splitlines()[-1]
    assert ran.returncode == 2 and "A process was killed" in last and "fewer --jobs" in last
    assert_goes_on(source, out, tmp_path)


def test_an_interrupted_reading_back_goes_on_without_writing(source, out, small, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("mlt_s_tools.hub.verify._compare", interrupt)
        mlt_s_tools.build(source, out, jobs=1)
    monkeypatch.setattr(shards, "write", None)
    mlt_s_tools.build(source, out, jobs=1)
    assert not (out / manifest.RECORD).exists() and len(parquet(out)) == 5


def test_a_finished_build_is_not_written_again(source, out, small, monkeypatch):
    first = mlt_s_tools.build(source, out, jobs=1)
    (out / "README.md").write_text("my own words")
    before = {path: (out / path).stat().st_mtime_ns for path in content(out)}
    monkeypatch.setattr(shards, "write", None)
    assert mlt_s_tools.build(source, out, jobs=1) == first
    assert {path: (out / path).stat().st_mtime_ns for path in content(out)} == before


def test_a_finished_build_by_other_versions_is_verified_and_pushed_as_it_is(source, out, tmp_path, small):
    whole = mlt_s_tools.build(source, out, jobs=1)
    written_elsewhere(out / manifest.MANIFEST, pyarrow="9.0.0", code="0")
    before = {path: (sum256, (out / path).stat().st_mtime_ns) for path, sum256 in content(out).items()}
    assert mlt_s_tools.build(source, out, jobs=1) == whole
    assert {path: (sum256, (out / path).stat().st_mtime_ns) for path, sum256 in content(out).items()} == before
    with Hub({"hf_write": ("ann", "write", [])}) as hub:
        ran = run(source, out, "--push-to", "ann/pairs", environment=hub.environment(tmp_path / "home", "hf_write"))
        assert ran.returncode == 0, ran.stderr
        arrived = hub.files("ann/pairs")
    for path in parquet(out):
        assert ((out / path).stat().st_mtime_ns, hashlib.sha256(arrived[path]).hexdigest()) == before[path][::-1]
    assert b'load_dataset("ann/pairs")' in arrived["README.md"]
    told = json.loads(arrived["manifest.json"])  # its card is new, and its files are those of the other versions
    assert (told["pyarrow"], told["code"]) == ("9.0.0", "0")


def test_a_file_that_is_gone_is_written_anew_and_ones_own_card_kept(source, out, small):
    mlt_s_tools.build(source, out, jobs=1)
    (out / "README.md").write_text("my own words")
    before = content(out)
    (out / parquet(out)[1]).unlink()
    mlt_s_tools.build(source, out, jobs=1)
    assert content(out) == before


def test_a_finished_build_without_croissant_gets_it(source, out, small, monkeypatch):
    first = mlt_s_tools.build(source, out, jobs=1)
    before = content(out)
    (out / "croissant.json").unlink()  # as an earlier version left it
    monkeypatch.setattr(shards, "write", None)
    assert mlt_s_tools.build(source, out, jobs=1) == first
    assert content(out) == before
    (out / "croissant.json").unlink()
    (out / "README.md").write_text("my own words")
    assert mlt_s_tools.build(source, out, jobs=1) == first
    assert (out / "README.md").read_text() == "my own words"


# --- Read back -----------------------------------------------------------------------------------------------------


def differs(source, out, **options):
    with pytest.raises(mlt_s.MltSError) as error:
        mlt_s_tools.build(source, out, **options)
    return str(error.value)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("column", ["image", "label"])
def test_a_flipped_byte_is_found_by_file_row_group_and_id(source, out, small, column, jobs):
    mlt_s_tools.build(source, out, jobs=1)
    path = out / "data/train-00001-of-00003.parquet"
    row, data = rows(path)[-1], bytearray(path.read_bytes())
    data[data.index(row[column]["bytes"]) + 40] ^= 1
    path.write_bytes(data)
    group = pq.ParquetFile(path).num_row_groups - 1
    said = differs(source, out, jobs=jobs)
    assert said.startswith(f"{path}, row group {group}, {row['image_id']}, has another {column} than the archives.")
    assert "Remove that file and run the same command again" in said
    path.unlink()
    mlt_s_tools.build(source, out, jobs=jobs)


def rewritten(out, path, change):
    """Changes the rows of a file, and the manifest accordingly, as a wrong build would."""
    file = pq.ParquetFile(out / path)
    changed = change(file.read())
    pq.write_table(changed, out / path, compression="NONE")
    told = json.loads((out / "manifest.json").read_text())
    for entry in told["files"]:
        if entry["path"] == path:
            data = (out / path).read_bytes()
            entry.update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    (out / "manifest.json").write_text(json.dumps(told))
    return out / path


def test_a_missing_row_is_found(source, out):
    mlt_s_tools.build(source, out, jobs=1)
    path = rewritten(out, "data/train-00000-of-00001.parquet", lambda table: table.slice(1))
    said = differs(source, out, jobs=1)
    assert said.startswith(f"{path}, has 4 examples") and "of 5" in said


def test_another_order_is_found(source, out):
    mlt_s_tools.build(source, out, jobs=1)
    path = rewritten(out, "data/train-00000-of-00001.parquet", lambda table: table.take([0, 2, 1, 3, 4]))
    assert differs(source, out, jobs=1).startswith(f"{path}, row group 0, has 'img_3' instead of img_2.")


def test_another_word_is_found(source, out):
    def change(table):
        told = table.to_pylist()
        told[2]["words"][0]["transcription"] = "other"
        return pa.Table.from_pylist(told, table.schema)

    mlt_s_tools.build(source, out, configs=("words",), jobs=1)
    path = rewritten(out, "data/train-00000-of-00001.parquet", change)
    assert differs(source, out, configs=("words",), jobs=1).startswith(
        f"{path}, row group 0, img_3, has another words than the archives."
    )


def test_other_columns_are_found(source, out):
    mlt_s_tools.build(source, out, jobs=1)
    path = rewritten(out, "data/train-00000-of-00001.parquet", lambda table: table.replace_schema_metadata())
    assert differs(source, out, jobs=1).startswith(f"{path}, has other columns than it was written with.")


def test_damage_outside_of_the_rows_is_found(source, out):
    mlt_s_tools.build(source, out, jobs=1)
    path = out / "data/train-00000-of-00001.parquet"
    data = bytearray(path.read_bytes())
    data[data.rindex(b"parquet-cpp")] ^= 1
    path.write_bytes(data)
    assert f"{path}, does not have the SHA-256 that it was written with, " in differs(source, out, jobs=1)


def test_a_file_cut_to_pieces_is_found(source, out):
    mlt_s_tools.build(source, out, jobs=1)
    path = out / "data/train-00000-of-00001.parquet"
    path.write_bytes(bytes(path.stat().st_size))
    assert f"{path}, cannot be read (" in differs(source, out, jobs=1)


# --- On the way to the Hub -----------------------------------------------------------------------------------------


def test_private_goes_with_push_to(source, out, capsys):
    with pytest.raises(SystemExit) as error:
        cli.main(["build", str(source), str(out), "--private"])
    assert error.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "--private" in said and "--push-to" in said


def test_what_the_hub_would_refuse_is_said_before_anything_is_written(source, out):
    assert "'pairs' is not a valid repository name" in refused(source, out, push_to="pairs")
    assert not out.exists()


def test_a_later_push_names_the_repository_in_the_card_unless_it_is_ones_own(source, out, tmp_path, small):
    mlt_s_tools.build(source, out, jobs=1)
    data = {path: sum256 for path, sum256 in content(out).items() if path.endswith(".parquet")}
    with Hub({"hf_write": ("ann", "write", [])}) as hub:
        environment = hub.environment(tmp_path / "home", "hf_write")
        ran = run(source, out, "--push-to", "ann/pairs", environment=environment)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.splitlines()[-1] == f"On the Hub: {hub.endpoint}/datasets/ann/pairs"
        assert b'load_dataset("ann/pairs")' in hub.files("ann/pairs")["README.md"]
        (out / "README.md").write_text("my own words")
        ran = run(source, out, "--push-to", "ann/pairs", environment=environment)
        assert ran.returncode == 0, ran.stderr
        assert hub.files("ann/pairs")["README.md"] == b"my own words"
    assert data == {path: sum256 for path, sum256 in content(out).items() if path.endswith(".parquet")}


def test_a_build_that_was_killed_before_its_first_file_goes_on(source, out):
    out.mkdir()
    (out / manifest.LOCK).touch()
    (out / (manifest.RECORD + resuming.PART)).touch()
    mlt_s_tools.build(source, out, jobs=1)
    assert len(parquet(out)) == 2
