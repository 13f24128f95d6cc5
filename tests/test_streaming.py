"""A training run's day: the stream is shuffled, stopped, resumed, and split over workers, threads and nodes."""

import itertools
import json
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image
import pytest
from archives import encoded, label_file, label_members, label_values, mlt, write_zip
from conftest import ROUTES, VERSION, Loader
from datasets.distributed import split_dataset_by_node
from torch.utils.data import DataLoader

import mlt_s

WORLD_SIZES = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16]


def ids(dataset):
    return [example["image_id"] for example in dataset]


def names(count):
    return [f"img_{n}" for n in range(1, count + 1)]


def seed_of(image_id):
    return int(image_id.removeprefix("img_"))


def number_of_shards(stream):
    return stream.n_shards if VERSION < (3, 0) else stream.num_shards


@pytest.fixture(scope="session")
def fifty(tmp_path_factory):
    """50 training pairs: 30 shards, 20 of them of two."""
    return mlt(tmp_path_factory.mktemp("fifty"), train=50, validation=1, width=8, height=8)


@pytest.fixture(scope="session")
def many(tmp_path_factory):
    """260 training pairs: 240 shards, 20 of them of two."""
    return mlt(tmp_path_factory.mktemp("many"), train=260, validation=1, width=2, height=2)


@pytest.fixture
def reads(monkeypatch):
    """The names of the members that this process read, in order."""
    read, names = mlt_s.read_member, []

    def counted(member, options):
        names.append(member.name)
        return read(member, options)

    monkeypatch.setattr(mlt_s, "read_member", counted)
    return names


# --- Shuffled


def test_shuffled_is_another_order_of_everything(load, fifty):
    stream = load(fifty, split="train", streaming=True)
    shuffled = ids(stream.shuffle(seed=1, buffer_size=1))
    assert shuffled != names(50)
    assert sorted(shuffled, key=seed_of) == names(50)


def test_shuffled_without_a_buffer_mixes_the_far_with_the_near(load_registered, many):
    shuffled = ids(load_registered(many, split="train", streaming=True).shuffle(seed=1, buffer_size=1))
    moved = [abs(seed_of(image_id) - at) for at, image_id in enumerate(shuffled, 1)]
    assert np.mean(moved) > 260 / 5  # 260 / 3 is a global shuffle's; a buffer of n moves by about n


def test_the_seed_decides_the_order(load_registered, fifty):
    stream = load_registered(fifty, split="train", streaming=True)
    one, again, two = (ids(stream.shuffle(seed=seed, buffer_size=1)) for seed in (1, 1, 2))
    assert one == again != two


def test_each_epoch_has_its_own_order_of_everything(load, fifty):
    stream = load(fifty, split="train", streaming=True).shuffle(seed=1, buffer_size=1)
    epochs = []
    for epoch in (0, 1, 2, 1):
        stream.set_epoch(epoch)
        epochs.append(ids(stream))
    assert all(sorted(epoch, key=seed_of) == names(50) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert epochs[1] == epochs[3]


def test_shuffled_examples_are_still_pairs(load, fifty):
    for example in load(fifty, split="train", streaming=True).shuffle(seed=1, buffer_size=1):
        assert np.array_equal(np.asarray(example["label"]), label_values(8, 8, seed_of(example["image_id"])))


# --- Stopped and taken up again


def stopped_after(stream, count):
    """The examples so far, and the state after a round trip through a file, as in a checkpoint."""
    seen = [example["image_id"] for example in itertools.islice(stream, count)]
    return seen, json.loads(json.dumps(stream.state_dict()))


@pytest.mark.parametrize("count", [1, 2, 3, 24, 25, 37, 49, 50])
def test_a_stream_is_taken_up_where_it_stopped(load, fifty, count):
    seen, state = stopped_after(load(fifty, split="train", streaming=True), count)
    taken_up = load(fifty, split="train", streaming=True)
    taken_up.load_state_dict(state)
    assert seen + ids(taken_up) == names(50)


@pytest.mark.parametrize("count", [1, 2, 3, 24, 25, 37, 49, 50])
def test_a_shuffled_stream_is_taken_up_where_it_stopped(load, fifty, count):
    def shuffled():
        return load(fifty, split="train", streaming=True).shuffle(seed=3, buffer_size=1)

    seen, state = stopped_after(shuffled(), count)
    taken_up = shuffled()
    taken_up.load_state_dict(state)
    got = seen + ids(taken_up)
    order = ids(shuffled())
    if VERSION >= (5, 2):
        assert got == order
    else:  # the library's shuffle loses the example that its buffer held
        assert got in (order, order[:count] + order[count + 1 :])


def test_a_stream_taken_up_reads_the_next_and_not_all_before_it(load_registered, fifty, reads):
    stream = load_registered(fifty, split="train", streaming=True)
    _, state = stopped_after(stream, 37)
    stream.load_state_dict(state)
    reads.clear()
    assert next(iter(stream))["image_id"] == "img_38"
    numbers = {seed_of(name.rsplit("/")[-1].partition(".")[0]) for name in reads}
    # The shard of 37 and 38 from its beginning; 3.6 and 4.0 begin one shard earlier.
    assert numbers <= {35, 36, 37, 38, 39}


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_passes_after_one_that_was_taken_up_are_whole(load, fifty, epoch):
    """As docs/streaming.md has it: `set_epoch` before each pass. Without it, all are as short as the first."""

    def stream(epoch):
        stream = load(fifty, split="train", streaming=True)
        stream.set_epoch(epoch)
        return stream

    seen, state = stopped_after(stream(epoch), 7)
    taken_up = load(fifty, split="train", streaming=True)
    taken_up.load_state_dict(state)
    passes = []
    for following in range(epoch, epoch + 3):
        taken_up.set_epoch(following)
        passes.append(ids(taken_up))
    assert seen + passes[0] == ids(stream(epoch))
    if VERSION >= (3, 4):
        assert passes[1:] == [ids(stream(epoch + 1)), ids(stream(epoch + 2))]
    else:  # the library takes them all up there
        assert [len(ids) for ids in passes] == [43, 43, 43]


# --- Shared out to workers


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more than the machine has cores
@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_loader_workers_give_every_example_once(load, fifty, workers):
    loader = DataLoader(load(fifty, split="train", streaming=True), batch_size=None, num_workers=workers)
    examples = list(loader)
    assert sorted(ids(examples), key=seed_of) == names(50)
    for example in examples:
        assert np.array_equal(np.asarray(example["label"]), label_values(8, 8, seed_of(example["image_id"])))


# A worker that is spawned imports PyTorch, which takes seconds: that two of them share a stream is in test_remote.py,
# and what it gets of the class is what it gets by the registered name, with the same class.
STARTED = [
    (route, method, workers)
    for route in ROUTES
    for method, workers in (("fork", 2), ("forkserver", 2), ("spawn", 1))
    if (route, method) != ("class", "spawn")
]


@pytest.mark.parametrize("load, method, workers", STARTED, indirect=["load"])
def test_workers_start_in_every_way(load, fifty, method, workers):
    stream = load(fifty, split="train", streaming=True).shuffle(seed=1, buffer_size=1)
    loader = DataLoader(stream, batch_size=None, num_workers=workers, multiprocessing_context=method)
    assert sorted(ids(loader), key=seed_of) == names(50)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_workers_start_after_the_archives_were_read_here(load, fifty):
    stream = load(fifty, split="train", streaming=True)
    begun = iter(stream)
    first = [next(begun)["image_id"] for _ in range(10)]
    loader = DataLoader(stream, batch_size=None, num_workers=4, multiprocessing_context="fork")
    assert sorted(ids(loader), key=seed_of) == names(50)
    assert first + ids(begun) == names(50)


def test_workers_that_stay_shuffle_each_epoch(load_registered, fifty):
    stream = load_registered(fifty, split="train", streaming=True).shuffle(seed=1, buffer_size=1)
    loader = DataLoader(stream, batch_size=None, num_workers=2, persistent_workers=True, prefetch_factor=4)
    for _ in range(3):
        assert sorted(ids(loader), key=seed_of) == names(50)


def test_batches_of_arrays(load_registered, fifty):
    stream = load_registered(fifty, split="train", streaming=True).select_columns(["label"]).with_format("torch")
    (first, *_) = DataLoader(stream, batch_size=4, num_workers=2)
    assert first["label"].shape == (4, 1, 8, 8)  # the library puts the channel first, also where there is one
    assert set(first["label"].unique().tolist()) == {0, 1, 255}


def test_threads_read_at_once(load_registered, many):
    stream = load_registered(many, split="train", streaming=True)
    together = threading.Barrier(8)

    def read(rank):
        part = split_dataset_by_node(stream, rank, 8)
        together.wait()
        return [(example["image_id"], np.asarray(example["label"])) for example in part]

    with ThreadPoolExecutor(8) as threads:
        examples = list(itertools.chain.from_iterable(threads.map(read, range(8))))
    assert sorted((image_id for image_id, _ in examples), key=seed_of) == names(260)
    for image_id, label in examples:
        assert np.array_equal(label, label_values(2, 2, seed_of(image_id)))


# --- Shared out to nodes


@pytest.mark.parametrize("world_size", WORLD_SIZES)
def test_each_node_reads_its_own_part(load_registered, many, reads, world_size):
    stream = load_registered(many, split="train", streaming=True)
    parts = []
    for rank in range(world_size):
        reads.clear()
        parts.append(ids(split_dataset_by_node(stream, rank, world_size)))
        assert len(reads) == 2 * len(parts[-1])  # an image and a label map each, and nothing of the others'
    assert sorted(itertools.chain.from_iterable(parts), key=seed_of) == names(260)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("world_size", [3, 8])
def test_nodes_share_a_shuffled_epoch(load, many, world_size):
    stream = load(many, split="train", streaming=True).shuffle(seed=1, buffer_size=1)
    stream.set_epoch(1)
    parts = [ids(split_dataset_by_node(stream, rank, world_size)) for rank in range(world_size)]
    assert sorted(itertools.chain.from_iterable(parts), key=seed_of) == names(260)


@pytest.mark.parametrize("world_size", [2, 5])
def test_nodes_with_workers_share_everything(load_registered, many, world_size):
    stream = load_registered(many, split="train", streaming=True)
    parts = []
    for rank in range(world_size):
        node = split_dataset_by_node(stream, rank, world_size)
        parts.append(ids(DataLoader(node, batch_size=None, num_workers=2)))
    assert sorted(itertools.chain.from_iterable(parts), key=seed_of) == names(260)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.fixture(scope="session")
def full(tmp_path_factory):
    """Archives with the published names and numbers of files. Only their directories are read."""
    folder = tmp_path_factory.mktemp("full")
    for part, archive in enumerate(mlt_s.IMAGE_ARCHIVES[:8]):
        write_zip(folder / archive, {f"img_{part * 900 + n}.jpg": b"image" for n in range(1, 901)})
    write_zip(folder / mlt_s.IMAGE_ARCHIVES[8], {f"img_{n}.jpg": b"image" for n in range(1, 1801)})
    counts = mlt_s.PUBLISHED_COUNTS
    labels = [{f"img_{n}": b"label map" for n in range(1, counts[split] + 1)} for split in ("train", "validation")]
    write_zip(folder / mlt_s.LABEL_ARCHIVE, label_members(*labels))
    return folder


@pytest.mark.parametrize("config", ["segmentation", "labels"])
def test_the_full_set_has_shards_for_every_number_of_nodes(load, full, config):
    streams = load(full, config, streaming=True)
    assert {split: number_of_shards(stream) for split, stream in streams.items()} == {"train": 3840, "validation": 960}


# --- Memory


def _large_pairs(folder, count):
    """Pairs of about 40 KB, all of one content."""
    pixels = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    image, label = encoded(PIL.Image.fromarray(pixels), "PNG"), label_file(1, 100, 100)
    write_zip(folder / "training_images.zip", {f"img_{n}.png": image for n in range(1, count + 1)}, method=0)
    write_zip(
        folder / "MLT_S_labels.zip", label_members({f"img_{n}": label for n in range(1, count + 1)}, {}), method=0
    )
    return folder


def _peak(action, *arguments):
    """The most bytes that Python objects made by the action took at a time."""
    tracemalloc.start()
    try:
        action(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_streaming_holds_no_more_of_a_larger_set(load_registered, tmp_path):
    peaks = {}
    for count in (200, 1000):
        stream = load_registered(_large_pairs(tmp_path / str(count), count), split="train", streaming=True)
        peaks[count] = _peak(ids, stream)
    assert peaks[1000] - peaks[200] < 4_000_000  # 800 pairs more are 32 MB


def test_preparing_holds_no_more_of_a_larger_set(tmp_path):
    peaks = {}
    for count in (200, 1000):
        folder = _large_pairs(tmp_path / str(count), count)
        load = Loader("registered", tmp_path / f"cache of {count}")
        peaks[count] = _peak(load, folder)
    assert peaks[1000] - peaks[200] < 10_000_000  # 800 pairs more are 32 MB
