"""Archives are read in place, however they were packed and wherever they are; errors name archive and member."""

import gc
import os
import shutil
import struct
import tracemalloc
import zipfile

import fsspec
import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archives import (
    encoded,
    failure,
    image_file,
    label_file,
    label_members,
    label_values,
    mlt,
    picture,
    unpacked,
    write_pairs,
    write_zip,
)
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.utils import infer_storage_options

import mlt_s

IMAGES, LABELS = "ch8_training_images_1.zip", "MLT_S_labels.zip"
LABEL = "MLT_S_labels/training_labels/img_1.png"


def one_pair(folder):
    return write_pairs(folder, {"img_1.jpg": (image_file(1), label_file(1))})


def assert_is_the_pair(dataset):
    (example,) = dataset
    assert np.array_equal(np.asarray(example["label"]), label_values(seed=1))
    assert np.abs(np.asarray(example["image"], int) - np.asarray(picture(seed=1), int)).mean() < 12


def streamed(load, folder, **options):
    return list(load(folder, split="train", streaming=True, **options))


def only_member(archive):
    ((_, member),) = mlt_s.list_source(str(archive), ("image",), {}).files["image", "train"]
    return member


# --- However they were packed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_stored_and_deflated_members(load_registered, tmp_path, method):
    folder = tmp_path / "mlt"
    write_zip(folder / IMAGES, {"img_1.jpg": image_file(1)}, method)
    write_zip(folder / LABELS, label_members({"img_1": label_file(1)}, {}), method)
    assert_is_the_pair(load_registered(folder, split="train"))


@pytest.mark.parametrize("size", [1, 70, 3000, 65000])
def test_local_extra_fields_that_the_directory_does_not_have(load_registered, tmp_path, size):
    folder = one_pair(tmp_path / "mlt")
    with zipfile.ZipFile(folder / IMAGES, "w") as archive:
        for number in (1, 2):
            info = zipfile.ZipInfo(f"img_{number}.jpg")
            info.extra = struct.pack("<HH", 0xCAFE, size) + bytes(size)
            archive.writestr(info, image_file(number))
        for info in archive.infolist():
            info.extra = b""
    assert_is_the_pair(streamed(load_registered, folder))


class _Pipe:
    """A file that cannot seek, like standard output, so zip writes sizes after the content."""

    def __init__(self, file):
        self.write, self.flush = file.write, file.flush


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_data_descriptors(load_registered, tmp_path, method):
    folder = one_pair(tmp_path / "mlt")
    with open(folder / IMAGES, "wb") as file, zipfile.ZipFile(_Pipe(file), "w", method) as archive:
        archive.writestr("img_0.jpg", image_file(0))
        archive.writestr("img_1.jpg", image_file(1))
        assert archive.getinfo("img_1.jpg").flag_bits & 8
    assert_is_the_pair(streamed(load_registered, folder))


def test_zip64_entries(load_registered, tmp_path, monkeypatch):
    folder = one_pair(tmp_path / "mlt")
    with monkeypatch.context() as patch:
        patch.setattr(zipfile, "ZIP64_LIMIT", 100)
        write_zip(folder / IMAGES, {"img_0.jpg": image_file(0), "img_1.jpg": image_file(1)})
    assert b"PK\6\6" in (folder / IMAGES).read_bytes()
    assert_is_the_pair(streamed(load_registered, folder))


def test_a_self_extracting_archive(load_registered, tmp_path):
    folder = one_pair(tmp_path / "mlt")
    archive = folder / IMAGES
    archive.write_bytes(b"#!/bin/sh\nexec unzip $0\nPK\3\4" * 20 + archive.read_bytes())
    assert_is_the_pair(streamed(load_registered, folder))


def test_a_comment_behind_the_directory(load_registered, tmp_path):
    folder = one_pair(tmp_path / "mlt")
    with zipfile.ZipFile(folder / IMAGES, "a") as archive:
        archive.comment = b"ICDAR 2017 " * 1000
    assert_is_the_pair(streamed(load_registered, folder))


@pytest.mark.parametrize("stem", ["صورة_١", "图像_1", "छवि_1", "img 1 (copy)", "img_1'\"", "im#g%20_1"])
def test_names_of_any_script(load_registered, tmp_path, stem):
    folder = write_pairs(tmp_path / "mlt", {f"{stem}.jpg": (image_file(1), label_file(1))})
    (example,) = load_registered(folder, split="train")
    assert example["image_id"] == stem


def test_names_that_are_not_unicode(load_registered, tmp_path):
    folder = write_pairs(tmp_path / "mlt", {"img_XX.jpg": (image_file(1), label_file(1))})
    for archive in (folder / IMAGES, folder / LABELS):
        archive.write_bytes(archive.read_bytes().replace(b"img_XX", b"img_\x82\x91"))  # in both headers; cp437
    (example,) = load_registered(folder, split="train")
    assert example["image_id"] == "img_éæ"


def test_backslashes_separate_folders(load_registered, tmp_path):
    folder = tmp_path / "mlt"
    write_zip(
        folder / "all.zip",
        {
            "ch8_training_images\\img_1.jpg": image_file(1),
            "MLT_S_labels\\training_labels\\img_1.png": label_file(1),
        },
    )
    assert_is_the_pair(streamed(load_registered, folder))


@pytest.mark.parametrize("prefix", ["/", "//", "../../", "./", "C:\\", "/tmp/../../"])
def test_names_that_point_elsewhere_are_only_names(load_registered, tmp_path, prefix):
    folder = tmp_path / "user" / "mlt"
    write_zip(folder / IMAGES, {f"{prefix}img_1.jpg": image_file(1)})
    write_zip(folder / LABELS, {prefix + LABEL: label_file(1)})
    before = sorted(tmp_path.rglob("*"))
    assert_is_the_pair(streamed(load_registered, folder))
    written = [path for path in sorted(tmp_path.rglob("*")) if path not in before]
    assert [path for path in written if path.is_file() and path.suffix != ".lock"] == []


def test_entries_that_are_folders_are_no_images(load_registered, tmp_path):
    folder = one_pair(tmp_path / "mlt")
    with zipfile.ZipFile(folder / IMAGES, "a") as archive:
        archive.writestr("img_2.jpg/", b"")
        archive.writestr("img_3.jpg\\", b"")
    assert_is_the_pair(streamed(load_registered, folder))


# --- Damaged, or not what it seems ---------------------------------------------------------------------------------


def patched(archive, signature, at, value, entry=0):
    """Overwrites bytes of a header: of the directory (PK 1 2) or of the member itself (PK 3 4)."""
    data = bytearray(archive.read_bytes())
    start = -1
    for _ in range(entry + 1):
        start = data.index(signature, start + 1)
    data[start + at : start + at + len(value)] = value
    archive.write_bytes(data)


def test_an_encrypted_member_is_said(load_registered, tmp_path):
    folder = one_pair(tmp_path / "mlt")
    patched(folder / IMAGES, b"PK\1\2", 8, b"\1\0")
    error = failure(lambda: load_registered(folder))
    assert str(error) == (
        f"{folder / IMAGES}, member img_1.jpg is encrypted, which this loader does not read. "
        "Unpack the archive into a folder."
    )


@pytest.mark.parametrize("method, name", [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "lzma")])
def test_a_method_that_is_not_read_is_said(load_registered, tmp_path, method, name):
    folder = one_pair(tmp_path / "mlt")
    write_zip(folder / LABELS, {LABEL: label_file(1)}, method)
    error = failure(lambda: load_registered(folder))
    assert str(error) == (
        f"{folder / LABELS}, member {LABEL} is packed by {name}, which this loader does not read. "
        "Unpack the archive into a folder."
    )


def test_what_is_not_read_in_place_loads_unpacked(load_registered, tmp_path):
    folder = one_pair(tmp_path / "mlt")
    unpacked(write_zip(folder / IMAGES, {"img_1.jpg": image_file(1)}, zipfile.ZIP_LZMA))
    assert_is_the_pair(load_registered(folder, split="train"))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_flipped_bit_is_said_by_archive_and_member(load_registered, tmp_path, method, streaming):
    folder = one_pair(tmp_path / "mlt")
    archive = write_zip(folder / IMAGES, {"img_1.jpg": image_file(1)}, method)
    data = bytearray(archive.read_bytes())
    data[300] ^= 1
    archive.write_bytes(data)
    error = failure(lambda: list(load_registered(folder, split="train", streaming=streaming)))
    assert str(error).startswith(f"{archive}, member img_1.jpg cannot be read: ")
    assert "or was replaced or removed since it was listed" in str(error) and str(error).endswith("or load again.")


def test_a_damaged_image_without_label_map_harms_nobody(load_registered, tmp_path):
    folder = one_pair(tmp_path / "mlt")
    archive = write_zip(folder / "ch8_training_images_2.zip", {"img_2.jpg": image_file(2)}, zipfile.ZIP_STORED)
    data = bytearray(archive.read_bytes())
    data[300] ^= 1
    archive.write_bytes(data)
    assert_is_the_pair(streamed(load_registered, folder))


@pytest.mark.parametrize("name", [IMAGES, LABELS])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[: data.index(b"PK\1\2")],
        lambda data: data[: data.index(b"PK\1\2") + 20],
        lambda data: data[:-1],
        lambda data: b"",
        lambda data: b"<html>Please log in to download</html>",
        lambda data: data.replace(b"PK\1\2", b"PK\1\3"),
    ],
    ids=["half", "before the directory", "in the directory", "last byte", "empty", "web page", "directory"],
)
def test_what_is_no_whole_archive_is_said_before_anything_is_prepared(load_registered, tmp_path, name, spoil):
    folder = one_pair(tmp_path / "mlt")
    data = spoil((folder / name).read_bytes())
    (folder / name).write_bytes(data)
    with pytest.raises(mlt_s.MltSError) as raised:
        load_registered(folder)
    text = str(raised.value)
    assert text.startswith(f"{folder / name} ({len(data):,} bytes) is not a zip archive, or is cut off or damaged: ")
    assert text.endswith("Fetch it again.")


@pytest.mark.parametrize("field", [20, 24], ids=["packed", "unpacked"])
def test_a_member_that_claims_a_huge_size_is_not_read(load_registered, tmp_path, field):
    folder = one_pair(tmp_path / "mlt")
    patched(folder / IMAGES, b"PK\1\2", field, (2**31).to_bytes(4, "little"))
    error = failure(lambda: load_registered(folder))
    assert str(error) == (
        f"{folder / IMAGES}, member img_1.jpg claims 2,147,483,648 bytes, more than any image of MLT has. "
        "It is damaged: fetch it again."
    )


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_member_of_another_size_than_claimed_is_said(load_registered, tmp_path, difference):
    folder = one_pair(tmp_path / "mlt")
    size = len(image_file(1))
    patched(folder / IMAGES, b"PK\1\2", 24, (size + difference).to_bytes(4, "little"))
    error = failure(lambda: load_registered(folder))
    assert f"{folder / IMAGES}, member img_1.jpg cannot be read: " in str(error)
    assert f"it has another length than the {size + difference:,} bytes that it was listed with" in str(error)


def test_little_is_unpacked_of_what_would_fill_the_memory(tmp_path):
    archive = write_zip(tmp_path / IMAGES, {"img_1.jpg": bytes(100_000_000)})
    patched(archive, b"PK\1\2", 24, (100).to_bytes(4, "little"))
    member = only_member(archive)
    tracemalloc.start()
    with pytest.raises(mlt_s.MltSError):
        mlt_s.read_member(member, {})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_directory_that_names_a_wrong_place_is_said(load_registered, tmp_path):
    folder = one_pair(tmp_path / "mlt")
    patched(folder / IMAGES, b"PK\3\4", 0, b"XXXX")
    error = failure(lambda: load_registered(folder))
    assert "there is no such member at the place that the archive's directory names" in str(error)


# --- Replaced while it is read -------------------------------------------------------------------------------------


def replaced_by(members, method=zipfile.ZIP_DEFLATED):
    return lambda folder: write_zip(folder / IMAGES, members, method)


@pytest.mark.parametrize(
    "replace",
    [
        replaced_by({"img_2.jpg": image_file(2), "img_1.jpg": image_file(1)}),
        replaced_by({"img_1.jpg": image_file(2)}),
        replaced_by({"img_1.jpg": image_file(1)[::-1]}, zipfile.ZIP_STORED),
        replaced_by({}),
        lambda folder: (folder / IMAGES).write_bytes(b""),
        lambda folder: (folder / IMAGES).unlink(),
    ],
    ids=["other places", "other content", "other method", "no member", "empty", "gone"],
)
def test_an_archive_that_is_replaced_after_it_was_opened_gives_an_error(load_registered, tmp_path, replace):
    folder = one_pair(tmp_path / "mlt")
    stream = load_registered(folder, split="train", streaming=True)
    replace(folder)
    with pytest.raises(
        mlt_s.MltSError, match="member img_1.jpg cannot be read: .*replaced or removed since it was listed"
    ):
        list(stream)


def test_an_archive_that_is_replaced_by_its_copy_still_reads(load_registered, tmp_path):
    folder = one_pair(tmp_path / "mlt")
    stream = load_registered(folder, split="train", streaming=True)
    shutil.copy(folder / IMAGES, tmp_path / "copy.zip")
    os.replace(tmp_path / "copy.zip", folder / IMAGES)
    assert_is_the_pair(stream)


@pytest.mark.parametrize("change", [lambda data: data + b"more", lambda data: data[:-1], lambda data: b""])
def test_a_loose_file_that_grows_or_shrinks_after_it_was_listed_gives_an_error(load_registered, tmp_path, change):
    folder = one_pair(tmp_path / "mlt")
    image = unpacked(folder / IMAGES) / "img_1.jpg"
    stream = load_registered(folder, split="train", streaming=True)
    image.write_bytes(change(image.read_bytes()))
    with pytest.raises(mlt_s.MltSError, match=f"{image} cannot be read: .*replaced or removed since it was listed"):
        list(stream)


# --- At an address -------------------------------------------------------------------------------------------------


class RangeFileSystem(fsspec.AbstractFileSystem):
    """Files in a dict that are read by ranges, as the Hub's are: `cat_file` is the inherited one, which opens a file
    that by itself reads 5 MiB ahead. Every byte that is fetched is counted.
    """

    protocol = "ranges"
    cachable = False
    files = {}
    read = {}

    def ls(self, path, detail=True, **kwargs):
        path = self._strip_protocol(path).rstrip("/") + "/"
        names = {path + name[len(path) :].split("/")[0] for name in self.files if name.startswith(path)}
        found = [self.info(name) for name in sorted(names)]
        return found if detail else [info["name"] for info in found]

    def info(self, path, **kwargs):
        path = self._strip_protocol(path)
        if path in self.files:
            return {"name": path, "size": len(self.files[path]), "type": "file"}
        if any(name.startswith(path.rstrip("/") + "/") for name in self.files):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def _open(self, path, mode="rb", block_size=None, **kwargs):
        return RangeFile(self, path, mode, block_size, **kwargs)


class RangeFile(fsspec.spec.AbstractBufferedFile):
    def _fetch_range(self, start, end):
        assert 0 <= start < end <= self.size  # some servers answer other ranges by an error
        self.fs.read[self.path] = self.fs.read.get(self.path, 0) + end - start
        return self.fs.files[self.path][start:end]


def _open_refusing(self, path, mode, block_size, autocommit, cache_options):
    """A file system whose `open` rejects `cache_type`."""
    return RangeFile(self, path, mode, block_size)


def _open_deaf(self, path, mode, **kwargs):
    """A file system whose `open` ignores `cache_type`."""
    return RangeFile(self, path, mode)


def put_all(folder, filesystem, root):
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            filesystem.pipe_file(f"{root}/{path.relative_to(folder).as_posix()}", path.read_bytes())


@pytest.fixture
def memory():
    """An address in fsspec's memory file system, removed after the test."""
    filesystem = MemoryFileSystem()
    yield "memory://mlt_s_tests"
    filesystem.rm("/mlt_s_tests", recursive=True)


@pytest.fixture
def ranges(tmp_path):
    fsspec.register_implementation("ranges", RangeFileSystem, clobber=True)
    RangeFileSystem.files, RangeFileSystem.read = {}, {}
    return RangeFileSystem


def class_pairs(address, tmp_path, streaming=True, **options):
    builder = mlt_s.MltS(data_dir=address, cache_dir=str(tmp_path / "cache"), **options)
    if not streaming:
        builder.download_and_prepare()
    splits = builder.as_streaming_dataset() if streaming else builder.as_dataset()
    return {
        split: [(x["image_id"], np.asarray(x["image"]).tobytes(), np.asarray(x["label"]).tobytes()) for x in dataset]
        for split, dataset in splits.items()
    }


@pytest.mark.parametrize("streaming", [True, False])
def test_archives_at_an_address_give_the_same_pairs(tmp_path, memory, streaming):
    folder = mlt(tmp_path / "mlt")
    put_all(folder, MemoryFileSystem(), memory)
    local, remote = class_pairs(str(folder), tmp_path), class_pairs(memory, tmp_path, streaming)
    assert [len(pairs) for pairs in remote.values()] == [5, 3]
    assert remote == local


def test_loose_files_at_an_address_give_the_same_pairs(tmp_path, memory):
    folder = mlt(tmp_path / "mlt")
    expected = class_pairs(str(folder), tmp_path)
    for archive in list(folder.glob("*.zip")):
        unpacked(archive)
    put_all(folder, MemoryFileSystem(), memory)
    assert class_pairs(memory, tmp_path) == expected


def test_label_maps_at_an_address_and_images_here(tmp_path, memory):
    folder = mlt(tmp_path / "mlt")
    expected = class_pairs(str(folder), tmp_path)
    MemoryFileSystem().pipe_file(f"{memory}/labels of mine.zip", (folder / LABELS).read_bytes())
    (folder / LABELS).unlink()
    assert class_pairs(str(folder), tmp_path, label_maps=f"{memory}/labels of mine.zip") == expected


def test_an_address_with_nothing_there_is_said(tmp_path):
    with pytest.raises(
        mlt_s.MltSError, match="^There is nothing at memory://no_such_place: check data_dir and label_maps\\.$"
    ):
        class_pairs("memory://no_such_place", tmp_path)


def test_a_kind_of_address_that_nobody_knows_is_said(tmp_path):
    with pytest.raises(mlt_s.MltSError, match="^Cannot read nobody-knows://mlt: "):
        class_pairs("nobody-knows://mlt", tmp_path)


def test_a_damaged_archive_at_an_address_is_said(tmp_path, memory):
    put_all(one_pair(tmp_path / "mlt"), MemoryFileSystem(), memory)
    MemoryFileSystem().pipe_file(f"{memory}/{IMAGES}", b"half a download")
    with pytest.raises(mlt_s.MltSError) as raised:
        class_pairs(memory, tmp_path)
    assert f"{memory}/{IMAGES} (15 bytes) is not a zip archive" in str(raised.value).replace(":///", "://")


def test_an_archive_that_is_gone_from_its_address_is_said(tmp_path, memory):
    put_all(one_pair(tmp_path / "mlt"), MemoryFileSystem(), memory)
    stream = mlt_s.MltS(data_dir=memory, cache_dir=str(tmp_path / "cache")).as_streaming_dataset(split="train")
    MemoryFileSystem().rm(f"{memory}/{IMAGES}")
    with pytest.raises(mlt_s.MltSError, match=f"{IMAGES}, member img_1.jpg cannot be read: "):
        list(stream)


def noise(seed, size=(500, 400)):
    """A picture that hardly compresses, like a photograph."""
    return PIL.Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8))


def sparse_archives(folder):
    """Pairs 7 and 9 with large pictures, and between them an unneeded member as large as a file's read-ahead."""
    images = {f"img_{n}.jpg": encoded(noise(n), "JPEG", quality=95) for n in (7, 9)}
    ballast = {"img_8.jpg": np.random.default_rng(0).bytes(6 << 20)}
    write_zip(folder / IMAGES, dict(sorted({**images, **ballast}.items())), zipfile.ZIP_STORED)
    write_zip(folder / LABELS, label_members({f"img_{n}": label_file(n, 500, 400) for n in (7, 9)}, {}))
    return folder


def packed_bytes(archive, *names):
    with zipfile.ZipFile(archive) as opened:
        return sum(opened.getinfo(name).compress_size for name in names)


def directory_bytes(archive):
    with zipfile.ZipFile(archive) as opened:
        return archive.stat().st_size - opened.start_dir


def served_by_ranges(folder, ranges):
    ranges.files = {f"mlt/{path.name}": path.read_bytes() for path in folder.iterdir()}
    return "ranges://mlt"


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("opening", [RangeFileSystem._open, _open_refusing, _open_deaf])
def test_of_an_archive_at_an_address_no_more_is_fetched_than_its_members(
    tmp_path, ranges, streaming, opening, monkeypatch
):
    monkeypatch.setattr(ranges, "_open", opening)
    folder = sparse_archives(tmp_path / "mlt")
    pairs = class_pairs(served_by_ranges(folder, ranges), tmp_path, streaming)["train"]
    assert [name for name, _, _ in pairs] == ["img_7", "img_9"]
    assert pairs == class_pairs(str(folder), tmp_path)["train"]
    members = packed_bytes(folder / IMAGES, "img_7.jpg", "img_9.jpg")
    assert 400_000 < members < ranges.read[f"mlt/{IMAGES}"] <= 1.05 * members + 2 * directory_bytes(folder / IMAGES)


@pytest.mark.once
def test_listing_an_archive_at_an_address_fetches_its_directory(tmp_path, ranges):
    folder = sparse_archives(tmp_path / "mlt")
    only = mlt_s.list_source(served_by_ranges(folder, ranges), ("image",), {}).files["image", "train"]
    assert [stem for stem, _ in only] == ["img_7", "img_8", "img_9"]
    end_record = 22  # looked for before the directory, and once more where there might be one of Zip64
    assert ranges.read == {f"mlt/{IMAGES}": pytest.approx(directory_bytes(folder / IMAGES), abs=3 * end_record)}


@pytest.mark.once
def test_garbage_collection_pauses_while_a_folder_is_listed_and_not_while_waiting_for_a_server(
    tmp_path, ranges, monkeypatch
):
    folder, collecting = one_pair(tmp_path / "mlt"), {"server": [], "folder": []}
    fetch, sort_in = RangeFile._fetch_range, mlt_s.Listing.sort_in

    def watched_fetch(file, start, end):
        collecting["server"].append(gc.isenabled())
        return fetch(file, start, end)

    def watched_sort_in(*arguments):
        collecting["folder"].append(gc.isenabled())
        return sort_in(*arguments)

    monkeypatch.setattr(RangeFile, "_fetch_range", watched_fetch)
    mlt_s.list_source(served_by_ranges(folder, ranges), ("image",), {})
    monkeypatch.setattr(mlt_s.Listing, "sort_in", watched_sort_in)
    mlt_s.list_source(str(folder), ("image",), {})
    assert set(collecting["server"]) == {True} and set(collecting["folder"]) == {False} and gc.isenabled()


@pytest.mark.once
def test_a_server_that_gives_no_answer_is_not_taken_for_a_damaged_archive(tmp_path, ranges, monkeypatch):
    address = served_by_ranges(one_pair(tmp_path / "mlt"), ranges)

    def refused(file, start, end):
        raise ConnectionError("503 for a while")

    monkeypatch.setattr(RangeFile, "_fetch_range", refused)
    text = str(failure(lambda: mlt_s.list_source(address, ("image",), {})))
    assert f"Cannot read ranges://mlt/{IMAGES}: 503 for a while" in text
    assert "damaged" not in text and "Fetch it again" not in text


@pytest.mark.once
def test_loose_files_at_an_address_are_fetched_once(tmp_path, ranges):
    folder = sparse_archives(tmp_path / "mlt")
    shutil.move(unpacked(folder / IMAGES), tmp_path / "loose")
    pictures = {path.name: path.read_bytes() for path in (tmp_path / "loose").iterdir()}
    ranges.files = {f"mlt/train/{name}": content for name, content in pictures.items()}
    for _, member in mlt_s.list_source("ranges://mlt", ("image",), {}).files["image", "train"]:
        assert mlt_s.read_member(member, {}) == pictures[os.path.basename(member.address)]
    assert ranges.read == {name: len(content) for name, content in ranges.files.items()}


@pytest.mark.once
def test_within_a_folder_of_another_file_system_no_more_is_fetched_either(tmp_path, ranges):
    folder = sparse_archives(tmp_path / "mlt")
    served_by_ranges(folder, ranges)
    fsspec.register_implementation("inside", _Inside, clobber=True)
    assert mlt_s.read_range(f"inside://{IMAGES}", 100, 1000, {}) == (folder / IMAGES).read_bytes()[100:1100]
    assert ranges.read == {f"mlt/{IMAGES}": 1000}


class _Inside(DirFileSystem):
    protocol = "inside"

    def __init__(self, **kwargs):
        super().__init__("mlt", RangeFileSystem(), **kwargs)


@pytest.mark.once
def test_a_cache_of_blocks_on_the_disk_that_was_asked_for_is_used(tmp_path, ranges):
    folder = sparse_archives(tmp_path / "mlt")
    served_by_ranges(folder, ranges)
    options = {"blockcache": {"cache_storage": str(tmp_path / "blocks")}}
    for _ in range(3):
        read = mlt_s.read_range(f"blockcache::ranges://mlt/{IMAGES}", 100, 1000, options)
        assert read == (folder / IMAGES).read_bytes()[100:1100]
    assert ranges.read[f"mlt/{IMAGES}"] <= (folder / IMAGES).stat().st_size  # no block twice


@pytest.mark.once
def test_of_parquet_files_at_an_address_only_the_label_maps_are_fetched(tmp_path, ranges):
    labels = {"bytes": encoded(noise(1), "PNG"), "path": None}
    row = {"image_id": "img_1", "image": {"bytes": noise(2, (1500, 1500)).tobytes(), "path": None}, "label": labels}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "train.parquet", compression="none")
    ranges.files = {"set/train.parquet": (tmp_path / "train.parquet").read_bytes()}
    mlt_s.list_label_maps("ranges://set", {})
    assert len(labels["bytes"]) < ranges.read["set/train.parquet"] < 1.05 * len(labels["bytes"]) + (64 << 10)


class HostFileSystem(RangeFileSystem):
    """Addresses contain host and user, but listed names do not, as with ftp:// and sftp://."""

    protocol = "nas"

    def __init__(self, host, username=None, password=None, **kwargs):
        super().__init__(**kwargs)
        if (host, username, password) != ("box", "ann", "s3cret!"):
            raise PermissionError(f"nas://{username}:{password}@{host} does not let you in")

    @classmethod
    def _strip_protocol(cls, path):
        return infer_storage_options(path)["path"].strip("/")

    @staticmethod
    def _get_kwargs_from_urls(url):
        return {name: infer_storage_options(url).get(name) for name in ("host", "username", "password")}


def test_archives_on_a_host_that_stands_in_the_address(tmp_path, ranges):
    fsspec.register_implementation("nas", HostFileSystem, clobber=True)
    folder = mlt(tmp_path / "mlt")
    served_by_ranges(folder, ranges)
    assert class_pairs("nas://ann:s3cret!@box/mlt", tmp_path) == class_pairs(str(folder), tmp_path)


def test_long_extra_fields_at_an_address_cost_a_second_range_and_no_more(tmp_path, ranges):
    folder = one_pair(tmp_path / "mlt")
    with zipfile.ZipFile(folder / IMAGES, "w") as archive:
        info = zipfile.ZipInfo("img_1.jpg")
        info.extra = struct.pack("<HH", 0xCAFE, 9000) + bytes(9000)
        archive.writestr(info, image_file(1))
        info.extra = b""
    member = only_member(f"{served_by_ranges(folder, ranges)}/{IMAGES}")
    ranges.read.clear()
    assert mlt_s.read_member(member, {}) == image_file(1)
    assert ranges.read[f"mlt/{IMAGES}"] <= len(image_file(1)) + 9000 + 300


# --- Scale ---------------------------------------------------------------------------------------------------------


def test_an_archive_of_more_files_than_there_are_is_refused_before_they_are_listed(tmp_path):
    count, name = 300_000, b"img_%09d.jpg"
    entry = b"PK\1\2" + struct.pack("<6H3I5H2I", 20, 20, 0, 0, 0, 33, 0, 0, 0, len(name % 0), 0, 0, 0, 0, 0, 0)
    size = count * (len(entry) + len(name % 0))
    (tmp_path / IMAGES).write_bytes(
        b"".join(entry + name % number for number in range(count))
        + struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, 0)
        + struct.pack("<4sIQI", b"PK\6\7", 0, size, 1)
        + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, size, 0, 0)
    )
    tracemalloc.start()
    try:
        text = str(failure(lambda: mlt_s.list_source(str(tmp_path), ("image",), {})))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert text.startswith(f"{tmp_path / IMAGES} (")
    assert f"its directory claims {size:,} bytes" in text
    assert peak < 1_000_000  # the list itself would take 150 MB
