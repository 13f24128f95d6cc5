"""Remote archives: pairs are prefetched in order, within a limit, and requests repeated if a server fails."""

from __future__ import annotations

import functools
import gc
import http.server
import itertools
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import PIL.Image
import pytest
from archives import encoded, failure, label_file, label_members, label_values, mlt, write_zip
from conftest import ROOT, VERSION
from fsspec.implementations.http import HTTPFileSystem
from hub import Hub
from test_built_labels import labels_set
from test_streaming import ids, names, stopped_after
from torch.utils.data import DataLoader
from web import Web

import mlt_s
import mlt_s_tools
from mlt_s_tools.training import ArchiveDataset

IMAGES, LABELS = "ch8_training_images_1.zip", "MLT_S_labels.zip"
LARGE = 1 << 27  # bytes: more than the system keeps of what was sent and not read
PATIENCE = 120  # seconds, after which a test fails that waits for what does not come


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """20 training pairs."""
    return mlt(tmp_path_factory.mktemp("remote"), train=20, validation=1)


@pytest.fixture
def web(folder):
    with Web(folder) as web:
        yield web


@pytest.fixture
def patient(monkeypatch):
    """Requests are repeated at once, and a server counts as stalled after a moment."""
    monkeypatch.setattr(mlt_s, "PAUSES", (0, 0, 0))
    monkeypatch.setattr(mlt_s, "STALLED_AFTER", 0.3)
    monkeypatch.setattr(mlt_s, "SLOWEST", 1 << 24)


def streamed(address):
    """The training pairs, by the class: `load_dataset` takes no address."""
    builder = mlt_s.MltS(data_dir=str(address), cache_dir=os.path.join(os.environ["HF_HOME"], "remote"))
    return builder.as_streaming_dataset(split="train")


def reading():
    """The threads that read."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("mlt_s ")]


def assert_none_reads():
    """Reads that are under way end, as the server answers, and their threads with them."""
    for thread in reading():
        thread.join(PATIENCE)
    assert reading() == []


def number(web, request):
    """Of a request for a member: the number of its image, by the name in its local header."""
    header = web.files[request[1]][request[2] :]
    name = header[30 : 30 + int.from_bytes(header[26:28], "little")].decode()
    return int(name.rsplit("img_")[-1].partition(".")[0])


class Meeting:
    """Makes the server wait until so many requests for members have arrived."""

    def __init__(self, web, count):
        self.barrier, self.is_member, self.left = threading.Barrier(count), web.is_member, count
        self.lock = threading.Lock()

    def __call__(self, request):
        with self.lock:
            meets = self.is_member(request) and self.left > 0
            self.left -= meets
        if meets:
            self.barrier.wait(PATIENCE)


@pytest.mark.once
def test_a_server_without_range_requests_is_not_reported_as_damage(folder, tmp_path):
    """`python -m http.server` does so. Reading stops at once, because MLT's archives have 700 MB each."""
    shutil.copytree(folder, tmp_path / "mlt")
    with open(tmp_path / "mlt" / IMAGES, "r+b") as archive:
        archive.truncate(LARGE)
    sent = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def copyfile(self, source, outputfile):
            while block := source.read(1 << 16):
                outputfile.write(block)
                sent.append(len(block))

    handler = functools.partial(Handler, directory=str(tmp_path / "mlt"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.handle_error = lambda *request: None  # of a line that was closed
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        said = str(failure(lambda: mlt_s.MltS(data_dir=address, cache_dir=str(tmp_path)).pairs()))
        server.shutdown()
    assert address in said and ".zip" in said and "Range" in said and "damaged" not in said
    assert sum(sent) < LARGE / 2


# --- Ahead


def test_the_members_of_a_pair_are_fetched_at_once(web):
    stream = streamed(web.url)
    web.before = Meeting(web, 2)
    web.before.is_member = lambda of: (
        web.is_member(of) and number(web, of) == 1
    )  # those of the next pair come meanwhile
    listed = len(web.requests)
    example = next(iter(stream))
    assert np.array_equal(np.asarray(example["label"]), label_values(seed=1))
    assert not web.before.barrier.broken and web.before.left == 0
    assert {of[1] for of in web.requests[listed:] if web.before.is_member(of)} == {IMAGES, LABELS}


def test_the_next_pairs_are_fetched_while_one_is_looked_at(web):
    arrived = [threading.Event() for _ in range(21)]
    stream = streamed(web.url)
    web.before = lambda request: web.is_member(request) and arrived[number(web, request)].set()
    examples = iter(stream)
    for place in range(1, 5):
        assert next(examples)["image_id"] == f"img_{place}"
        assert arrived[place + 1].wait(PATIENCE)  # though nobody has asked for it


def test_a_build_reads_ahead_as_a_stream_does(web, folder, tmp_path):
    web.before = Meeting(web, 2)
    # Two images that are not of the first pairs, which the card shows and which are read before the files are written.
    web.before.is_member = lambda of: web.is_member(of) and of[1] == IMAGES and number(web, of) > 7
    for source, out in (web.url, "far"), (folder, "near"):
        mlt_s_tools.build(str(source), tmp_path / out, jobs=1)
    assert not web.before.barrier.broken and web.before.left == 0
    far, near = ({path.name: path.read_bytes() for path in tmp_path.glob(f"{out}/data/*")} for out in ("far", "near"))
    assert far == near and far


def test_archives_are_opened_at_once(web, tmp_path):
    ends = threading.Barrier(len(web.files))
    web.before = lambda request: request[3] == len(web.files.get(request[1], b"")) and ends.wait(PATIENCE) and None
    pairs = mlt_s.MltS(data_dir=web.url, cache_dir=str(tmp_path)).pairs()
    assert len(pairs["train"]) == 20 and not ends.broken
    # The page, the size of each, its end, its directory: three requests an archive.
    assert len(web.requests) == 1 + 3 * len(web.files)


def test_a_batch_is_fetched_at_once(web):
    train = ArchiveDataset(web.url, "train")
    web.before = Meeting(web, 8)
    loader = DataLoader(train, batch_size=4, collate_fn=list)
    first = next(iter(loader))
    assert ids(first) == names(4) and not web.before.barrier.broken
    assert_none_reads()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_data_set_gives_what_a_local_one_does(web, folder, workers):
    order = [7, 3, 3, 19, 0, 11, 5]
    batches = [
        list(DataLoader(ArchiveDataset(place, "train"), 3, sampler=order, num_workers=workers, collate_fn=list))
        for place in (web.url, folder)
    ]
    there, here = ([example for batch in found for example in batch] for found in batches)
    assert ids(there) == ids(here) == [f"img_{at + 1}" for at in order]
    for one, other in zip(there, here):
        assert np.array_equal(np.asarray(one["image"]), np.asarray(other["image"]))
        assert np.array_equal(np.asarray(one["label"]), np.asarray(other["label"]))


def test_a_pair_alone_is_fetched_at_once(web):
    train = ArchiveDataset(web.url, "train")
    web.before = Meeting(web, 2)
    assert train[6]["image_id"] == "img_7" and train[-1]["image_id"] == "img_20"


def test_two_requests_a_pair_and_hardly_more_bytes_than_the_members(tmp_path):
    numbers = range(1, 7)
    noise = [np.random.default_rng(n).integers(0, 256, (150, 200, 3), np.uint8) for n in numbers]
    images = {f"img_{n}.png": encoded(PIL.Image.fromarray(pixels), "PNG") for n, pixels in zip(numbers, noise)}
    write_zip(tmp_path / "mlt" / IMAGES, images)
    labels = {f"img_{n}": label_file(n, 200, 150) for n in numbers}
    write_zip(tmp_path / "mlt" / LABELS, label_members(labels, {}))
    with Web(tmp_path / "mlt") as web:
        stream = streamed(web.url)
        web.requests.clear()
        examples = list(stream)
        assert [np.array_equal(np.asarray(e["image"]), pixels) for e, pixels in zip(examples, noise)] == [True] * 6
        assert len(web.requests) == len(web.members()) == 2 * len(numbers)
        fetched = sum(last - first for _, _, first, last in web.requests)
    assert fetched <= 1.05 * (sum(map(len, images.values())) + sum(map(len, labels.values())))


# --- Bounded


def seen_after(web, stream, count):
    """The number of pairs requested after so many were consumed, once no read is under way."""
    examples = iter(stream)
    for _ in range(count):
        next(examples)
    for thread in reading():
        thread.join(PATIENCE)
    return len({number(web, request) for request in web.members()})


def test_no_more_pairs_are_read_ahead_than_the_limit(web, monkeypatch):
    monkeypatch.setattr(mlt_s, "PAIRS_AHEAD", 3)
    stream = streamed(web.url)
    assert seen_after(web, stream, 10) == 12  # the one that was taken last, and two


def test_no_more_bytes_are_read_ahead_than_the_limit(web, monkeypatch):
    pairs = ArchiveDataset(web.url, "train").pairs
    sizes = [sum(member.size + member.packed_size for member in (*pair.label, *pair.image)) for pair in pairs]
    monkeypatch.setattr(mlt_s, "BYTES_AHEAD", 5 * max(sizes))
    count = seen_after(web, streamed(web.url), 10)
    assert sum(sizes[9:count]) <= 5 * max(sizes) < sum(sizes[9 : count + 1])


def test_pairs_larger_than_the_limit_are_read_alone(web, monkeypatch):
    monkeypatch.setattr(mlt_s, "BYTES_AHEAD", 1)
    stream = streamed(web.url)
    assert seen_after(web, stream, 10) == 10
    assert ids(stream) == names(20)


def test_who_looks_at_the_first_example_does_not_fetch_many(web):
    assert seen_after(web, streamed(web.url), 1) <= 2


def test_local_files_take_no_thread(folder, monkeypatch):
    stream = streamed(folder)
    train = ArchiveDataset(folder, "train")
    monkeypatch.setattr(threading.Thread, "start", None)
    assert ids(stream) == names(20)
    assert ids(train.__getitems__([4, 2])) == ["img_5", "img_3"]


# --- In order, and taken up again


def test_the_order_is_that_of_a_local_stream(web, folder):
    there, here = (streamed(place) for place in (web.url, folder))
    assert ids(there) == ids(here) == names(20)
    for seed, epoch in ((0, 0), (5, 2)):
        shuffled = [stream.shuffle(seed=seed, buffer_size=1) for stream in (there, here)]
        for stream in shuffled:
            stream.set_epoch(epoch)
        assert ids(shuffled[0]) == ids(shuffled[1]) != names(20)


@pytest.mark.parametrize("is_shuffled", [False, True])
def test_a_stream_goes_on_where_it_stopped_without_reading_what_was_seen(web, is_shuffled):
    def opened():
        stream = streamed(web.url)
        return stream.shuffle(seed=3, buffer_size=1) if is_shuffled else stream

    order = ids(opened())
    for count in (0, 1, 7, 8, 19, 20):
        seen, state = stopped_after(opened(), count)
        taken_up = opened()
        taken_up.load_state_dict(state)
        web.requests.clear()
        rest = ids(taken_up)
        lost = VERSION < (5, 2) and is_shuffled  # by the library's shuffle, the example that its buffer held
        assert seen == order[:count] and rest in ([order[count:]] + [order[count + 1 :]] * lost)
        if not is_shuffled:
            # 3.6 and 4.0 begin one shard earlier.
            first = count + 1 if VERSION >= (4, 1) else max(1, count - 3)
            read = {number(web, request) for request in web.members()}
            assert {*range(count + 1, 21)} <= read <= {*range(first, 21)}


def test_all_threads_share_one_file_system(web):
    """A forked process ends the file systems of its parent, and waits a second for each."""
    before = set(HTTPFileSystem._cache)
    assert ids(streamed(web.url)) == names(20)
    assert len(set(HTTPFileSystem._cache) - before) <= 1


@pytest.mark.parametrize(
    "method", ["fork", *(pytest.param(m, marks=pytest.mark.once) for m in ("spawn", "forkserver"))]
)
def test_workers_share_a_stream_that_was_begun_here(web, method):
    stream = streamed(web.url)
    begun = iter(stream)
    assert [next(begun)["image_id"] for _ in range(3)] == names(3)
    loader = DataLoader(stream, batch_size=None, num_workers=2, multiprocessing_context=method)
    assert sorted(ids(loader), key=names(20).index) == names(20)
    assert ids(begun) == names(20)[3:]
    assert_none_reads()


# --- No thread is left


def test_no_thread_is_left_however_a_stream_ends(web):
    stream = streamed(web.url)
    assert len(list(stream)) == 20
    assert_none_reads()
    assert ids(itertools.islice(stream, 5)) == names(5)
    assert_none_reads()
    holder = [iter(stream)]
    assert next(holder[0])["image_id"] == "img_1"
    holder.append(holder)  # a cycle, which the garbage collector finds
    del holder
    gc.collect()
    assert_none_reads()


@pytest.mark.once
def test_ctrl_c_does_not_wait_for_a_server_that_stalls(web, tmp_path):
    stalls, ends = threading.Event(), threading.Event()

    def before(request):
        if web.is_member(request) and number(web, request) == 4:
            stalls.set()
            ends.wait(PATIENCE)

    web.before = before
    code = f"""
        import signal, mlt_s
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
        stream = mlt_s.MltS(data_dir={web.url!r}, cache_dir={str(tmp_path)!r}).as_streaming_dataset(split="train")
        for example in stream:
            print(example["image_id"], flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as run:
        assert [run.stdout.readline() for _ in range(3)] == ["img_1\n", "img_2\n", "img_3\n"]
        assert stalls.wait(PATIENCE)
        run.send_signal(signal.SIGINT)
        error = run.communicate(timeout=PATIENCE)[1]  # the server stalls still
        assert not ends.is_set() and run.returncode == -signal.SIGINT
        ends.set()
    assert error.endswith("KeyboardInterrupt\n")


# --- Errors, at the pair they belong to


@pytest.fixture
def damaged(folder, tmp_path):
    """The image of pair 4 is not the one in its archive's directory."""
    for path in folder.iterdir():
        (tmp_path / "mlt").mkdir(exist_ok=True)
        (tmp_path / "mlt" / path.name).write_bytes(path.read_bytes())
    content = bytearray((tmp_path / "mlt" / IMAGES).read_bytes())
    start = content.index(b"img_4.jpg") + 200
    content[start : start + 50] = bytes(50)
    (tmp_path / "mlt" / IMAGES).write_bytes(content)
    with Web(tmp_path / "mlt") as web:
        yield web


def test_a_damaged_member_is_said_when_its_pair_comes(damaged):
    examples, seen = iter(streamed(damaged.url)), []
    error = failure(lambda: seen.extend(example["image_id"] for example in examples))
    assert isinstance(error, mlt_s.MltSError) and f"{damaged.url}{IMAGES}, member img_4.jpg" in str(error)
    assert seen == names(3)
    assert_none_reads()


def test_a_damaged_member_of_a_batch_is_said(damaged):
    train = ArchiveDataset(damaged.url, "train")
    error = failure(lambda: train.__getitems__([0, 3, 8]))
    assert isinstance(error, mlt_s.MltSError) and f"{damaged.url}{IMAGES}, member img_4.jpg" in str(error)
    assert ids(train.__getitems__([0, 8])) == ["img_1", "img_9"]
    assert_none_reads()


def failing_at_first(web):
    """Has the server fail every request once; what it has failed, a set that grows."""
    failed = set()

    def before(request):
        if request not in failed:
            failed.add(request)
            return 503
        return None

    web.before = before
    return failed


def failing(web, fault, times):
    """Has the server fail the first requests for each range of a member, and stall until this is called."""
    asked, lock, ends = {}, threading.Lock(), threading.Event()

    def before(request):
        if not web.is_member(request):
            return None
        with lock:
            asked[request] = asked.get(request, 0) + 1
            if asked[request] > times:
                return None
        if fault == "stall":
            ends.wait(PATIENCE)
            return None
        return fault

    web.before = before
    return ends.set


@pytest.mark.parametrize("fault", [500, 503, 429, "cut", "stall"])
def test_a_server_that_fails_now_and_then_is_asked_again(web, patient, fault):
    stream = streamed(web.url)
    end = failing(web, fault, times=2)
    for place, example in enumerate(itertools.islice(stream, 3), 1):
        assert example["image_id"] == f"img_{place}"
        assert np.array_equal(np.asarray(example["label"]), label_values(seed=place))
    end()


@pytest.mark.once
@pytest.mark.parametrize("fault, said", [(500, "500"), (429, "429"), ("cut", "payload"), ("stall", "no answer")])
def test_a_server_that_goes_on_failing_is_said(web, patient, fault, said):
    train = ArchiveDataset(web.url, "train")
    end = failing(web, fault, times=1000)
    error = failure(lambda: train[4])
    assert isinstance(error, mlt_s.MltSError) and f"{web.url}{LABELS}, member " in str(error)
    assert said in str(error) and "img_5" in str(error) and "asked 4 times" in str(error)
    assert "damaged" not in str(error)
    end()
    counts = [web.requests.count(request) for request in set(web.members())]
    assert max(counts) == 4
    assert_none_reads()


@pytest.mark.once
@pytest.mark.parametrize("status", [401, 403, 404, 416])
def test_what_asking_again_does_not_change_is_asked_once(web, patient, status):
    train = ArchiveDataset(web.url, "train")
    failing(web, status, times=1000)
    assert isinstance(failure(lambda: train[4]), mlt_s.MltSError)
    assert_none_reads()
    assert [web.requests.count(request) for request in set(web.members())] == [1, 1]


@pytest.mark.once
def test_a_server_that_fails_while_archives_are_listed_is_asked_again(web, patient, tmp_path):
    failed = failing_at_first(web)
    assert len(mlt_s.MltS(data_dir=web.url, cache_dir=str(tmp_path)).pairs()["train"]) == 20
    assert {name for _, name, *_ in failed} == {"", *web.files} and len(failed) > 3 * len(web.files)


@pytest.mark.once
def test_a_server_that_fails_while_built_label_maps_are_read_is_asked_again(patient, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.DOWNLOADED_DATASETS_PATH", tmp_path / "downloads")
    with Web(labels_set(tmp_path / "set") / "labels") as web:
        failed = failing_at_first(web)
        listing = mlt_s.list_label_maps(web.url, {})
    found = {stem: mlt_s.read_member(member, {}) for stem, member in listing.files["label", "train"]}
    assert found == {f"img_{n}": label_file(n) for n in range(1, 6)}
    assert {name for _, name, first, _ in failed if first is not None} == set(web.files)


# --- The Hub


@pytest.mark.once
def test_threads_ask_the_hub_for_members_alone(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
    with Hub() as hub:
        hub.put("lab/mlt", {path.name: path.read_bytes() for path in folder.iterdir()})
        options = {"data_dir": "hf://datasets/lab/mlt", "storage_options": {"endpoint": hub.endpoint}}
        stream = mlt_s.MltS(cache_dir=str(tmp_path), **options).as_streaming_dataset(split="train")
        hub.requests.clear()
        assert ids(stream) == names(20)
        assert len(hub.requests) == 40 and all("/resolve/" in request.path for request in hub.requests)
    assert_none_reads()
