"""The label archive comes from a server that may answer with anything. All servers here are on loopback."""

import base64
import http.server
import itertools
import logging
import socket
import subprocess
import sys
import threading
import types
import zipfile
from pathlib import Path

import datasets
import numpy as np
import pytest
from archives import failure, label_values, mlt

import mlt_s


class Server:
    """Answers every request by the function given, which writes to a `BaseHTTPRequestHandler`, and counts them."""

    def __init__(self, answer):
        self.requests, self.released = 0, threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(handler):
                self.requests += 1
                answer(handler, self)

            def log_message(handler, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/download_mlt_s.php"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.released.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers = []

    def start(answer):
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def answer_with(body, kind="application/zip", status=200, length=None):
    def answer(handler, server):
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.fixture
def folder(tmp_path):
    """A user's folder without a label archive, which lies beside it as `served.zip`."""
    folder = mlt(tmp_path / "mlt")
    (folder / "MLT_S_labels.zip").rename(tmp_path / "served.zip")
    return folder


def downloads(load):
    return [path for path in (Path(load.cache) / "downloads").glob("*") if path.suffix != ".lock"]


def test_without_a_label_archive_it_is_downloaded_once(load, serve, folder, tmp_path):
    server = serve(answer_with((tmp_path / "served.zip").read_bytes()))
    dataset = load(folder, label_maps=server.url)
    assert np.array_equal(np.asarray(dataset["train"][1]["label"]), label_values(seed=2))
    load(folder, label_maps=server.url, missing_images="skip")  # prepared anew, from the archive in the cache
    assert server.requests == 1
    (archive,) = downloads(load)
    assert archive.read_bytes() == (tmp_path / "served.zip").read_bytes()


def test_the_default_address_is_the_authors(load_registered, serve, folder, tmp_path, monkeypatch):
    assert mlt_s.LABELS_URL == "http://clem.diism.unisi.it/~coco_ts/download_mlt_s.php"
    server = serve(answer_with((tmp_path / "served.zip").read_bytes()))
    monkeypatch.setattr(mlt_s, "LABELS_URL", server.url)
    assert len(load_registered(folder)["train"]) == 5
    assert server.requests == 1


def test_labels_alone_need_no_folder_at_all(serve, folder, tmp_path, monkeypatch):
    server = serve(answer_with((tmp_path / "served.zip").read_bytes()))
    monkeypatch.setattr(mlt_s, "LABELS_URL", server.url)
    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", tmp_path / "downloads")
    builder = mlt_s.MltS(config_name="labels", cache_dir=str(tmp_path / "cache"))
    stream = builder.as_streaming_dataset(split="validation")
    assert [example["image_id"] for example in stream] == ["img_1", "img_2", "img_3"]


def test_streaming_downloads_too(load, serve, folder, tmp_path):
    server = serve(answer_with((tmp_path / "served.zip").read_bytes()))
    stream = load(folder, streaming=True, label_maps=server.url)
    assert len(list(stream["train"])) == 5


def test_forced_redownload_asks_again(serve, folder, tmp_path):
    server = serve(answer_with((tmp_path / "served.zip").read_bytes()))
    for mode in ("reuse_dataset_if_exists", "force_redownload"):
        builder = mlt_s.MltS(data_dir=str(folder), label_maps=server.url, cache_dir=str(tmp_path / "cache"))
        builder.download_and_prepare(download_mode=mode)
    assert server.requests == 2


def test_a_password_in_the_address_opens_the_door_and_goes_no_further(load_registered, serve, folder, tmp_path, caplog):
    asked = []

    def lead_on(handler, server):
        asked.append((handler.path, handler.headers["Authorization"]))
        if handler.path == "/moved.zip":
            answer_with((tmp_path / "served.zip").read_bytes())(handler, server)
        elif handler.headers["Authorization"] != "Basic " + base64.b64encode(b"ann:p@ss/word").decode():
            answer_with(b"", status=401)(handler, server)
        else:
            handler.send_response(302)
            handler.send_header("Location", "/moved.zip")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

    url = serve(lead_on).url
    text = str(failure(lambda: load_registered(folder, label_maps=url.replace("//", "//ann:wrong%40@"))))
    assert "HTTP Error 401" in text and "http://***@127.0.0.1" in text
    assert "wrong" not in text + caplog.text
    dataset = load_registered(folder, label_maps=url.replace("//", "//ann:p%40ss%2Fword@"))
    assert len(dataset["train"]) == 5
    assert asked[-1] == ("/moved.zip", None)


def redirected_to_login(handler, server):
    if handler.path.endswith("login"):
        answer_with(b"<html>Please log in</html>", "text/html")(handler, server)
    else:
        handler.send_response(302)
        handler.send_header("Location", "/login")
        handler.send_header("Content-Length", "0")
        handler.end_headers()


def silent(handler, server):
    server.released.wait()


def silent_in_the_middle(handler, server):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"PK\3\4")
    handler.wfile.flush()
    server.released.wait()


@pytest.mark.parametrize(
    "answer, said",
    [
        (answer_with(b"no", status=403), "HTTP Error 403: Forbidden"),
        (answer_with(b"no", status=404), "HTTP Error 404: Not Found"),
        (answer_with(b"no", status=500), "HTTP Error 500: Internal Server Error"),
        (
            answer_with(b"<!DOCTYPE html><title>Licence</title>", "text/html"),
            "expected a zip archive of PNG files, got text/html, 37 bytes, starting with b'<!DOCTYPE html><ti",
        ),
        (redirected_to_login, "expected a zip archive of PNG files, got text/html, 26 bytes"),
        (answer_with(b""), "expected a zip archive of PNG files, got application/zip, 0 bytes"),
        (answer_with(b"PK\3\4" * 50, length=1000), "the transfer was cut off after 200 of 1,000 bytes"),
        (answer_with(b"PK\3\4" * 50), "expected a zip archive of PNG files, got application/zip, 200 bytes"),
        (silent, "timed out"),
        (silent_in_the_middle, "timed out"),
    ],
    ids=["403", "404", "500", "web page", "login", "empty", "cut off", "half a zip", "silent", "silent later"],
)
def test_what_is_not_the_archive_is_said_and_leaves_nothing(load_registered, serve, folder, monkeypatch, answer, said):
    monkeypatch.setattr(mlt_s, "TIMEOUT", 0.3)
    server = serve(answer)
    with pytest.raises(mlt_s.MltSError) as error:
        load_registered(folder, label_maps=server.url)
    text = str(error.value)
    assert text.startswith(f"MLT_S_labels.zip could not be downloaded from {server.url}: ")
    assert said in text
    assert text.endswith(
        "Open http://clem.diism.unisi.it/~coco_ts/ in a browser, fetch MLT_S_labels.zip there, and put it beside the "
        'image archives in data_dir, or name it: label_maps="path/to/MLT_S_labels.zip".'
    )
    assert downloads(load_registered) == []


def bit_by_bit(head, piece):
    """Sends a head, then one piece at a time, each within the timeout, until the client hangs up."""

    def answer(handler, server):
        handler.wfile.write(head)
        while not server.released.wait(0.01):
            handler.wfile.write(piece)

    return answer


def at_once(head, piece):
    """Sends the same without pauses."""

    def answer(handler, server):
        handler.wfile.write(head)
        while not server.released.is_set():
            handler.wfile.write(1000 * piece)

    return answer


OK, LENGTH, CHUNKED = (
    b"HTTP/1.1 200 OK\r\n",
    b"Content-Length: 100000000\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n",
)
MOVED = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
ENDLESS = {
    "a body": (OK + b"\r\n", b"P"),
    "a body of a length": (OK + LENGTH, b"P"),
    "chunks": (OK + CHUNKED, b"1\r\nP\r\n"),
    "the trailers of chunks": (OK + CHUNKED + b"0\r\n", b"X-More: 1\r\n"),
    "a line of the head": (OK + b"X-More: ", b"x"),
    "the first line": (b"HTTP/1.1 200 ", b"O"),
    "100 Continue": (b"", CONTINUE),
    "the head of 100 Continue": (CONTINUE[:-2], b"X: 1\r\n"),
    "the body of a redirection": (MOVED, b"P"),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_server_that_sends_bit_by_bit_is_left(load_registered, serve, folder, monkeypatch, kind):
    monkeypatch.setattr(mlt_s, "PATIENCE", 0.1)
    server = serve(bit_by_bit(*ENDLESS[kind]))
    with pytest.raises(mlt_s.MltSError) as error:
        load_registered(folder, label_maps=server.url)
    assert f"could not be downloaded from {server.url}: timed out, as less than 65,536 bytes" in str(error.value)
    assert downloads(load_registered) == []


@pytest.mark.parametrize("kind", ENDLESS)
def test_so_is_one_that_never_ends(load_registered, serve, folder, monkeypatch, kind):
    for limit in ("_LARGEST_HEAD", "_LARGEST_DOWNLOAD"):
        monkeypatch.setattr(mlt_s, limit, 300_000)
    server = serve(at_once(*ENDLESS[kind]))
    with pytest.raises(mlt_s.MltSError) as error:
        load_registered(folder, label_maps=server.url)
    # The library itself ends a line, or a head of many of them.
    library = {"a line of the head": "header line", "the first line": "status", "the head of 100 Continue": "headers"}
    said = library.get(kind, "it sent more than 300,000 bytes and did not end")
    assert str(error.value).startswith(f"MLT_S_labels.zip could not be downloaded from {server.url}: ")
    assert said in str(error.value)
    assert downloads(load_registered) == []


def test_a_slow_server_that_gets_on_is_waited_for(load_registered, serve, folder, tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "served.zip", "a") as archive:
        archive.writestr("more.bin", bytes(10_000_000))
    clock = itertools.count()  # of which half a second has gone whenever somebody looks
    monkeypatch.setattr(mlt_s, "time", types.SimpleNamespace(monotonic=lambda: next(clock) / 2))
    server = serve(answer_with((tmp_path / "served.zip").read_bytes()))
    assert len(load_registered(folder, label_maps=server.url)["train"]) == 5
    assert next(clock) / 2 > 2 * mlt_s.PATIENCE


def test_redirections_lead_to_http_and_https_alone(load_registered, serve, folder):
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.setblocking(False)
        for scheme in ("ftp", "file", "FTP"):
            place = f"{scheme}://127.0.0.1:{other.getsockname()[1]}/MLT_S_labels.zip"

            def elsewhere(handler, server, place=place):
                handler.send_response(302)
                handler.send_header("Location", place)
                handler.end_headers()

            with pytest.raises(mlt_s.MltSError) as error:
                load_registered(folder, label_maps=serve(elsewhere).url)
            assert "could not be downloaded" in str(error.value) and place.lower() in str(error.value).lower()
        with pytest.raises(BlockingIOError):  # nobody has knocked
            other.accept()


def test_a_proxy_is_asked_where_one_is_set(load_registered, serve, folder, tmp_path, monkeypatch):
    asked = []

    def answer(handler, server):
        asked.append(handler.path)
        answer_with((tmp_path / "served.zip").read_bytes())(handler, server)

    monkeypatch.setenv("http_proxy", serve(answer).url)
    monkeypatch.delenv("no_proxy")
    assert len(load_registered(folder, label_maps="http://mlt-s.invalid/labels.zip")["train"]) == 5
    assert asked == ["http://mlt-s.invalid/labels.zip"]


def test_who_waits_for_another_process_says_so(load_registered, serve, folder, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(mlt_s, "SILENCE", 0.1)
    server = serve(answer_with((tmp_path / "served.zip").read_bytes()))
    path = mlt_s.fetch_label_archive(server.url, str(Path(load_registered.cache) / "downloads"))
    Path(path).unlink()
    hold = "import filelock, sys; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print(flush=True); input()"
    command = [sys.executable, "-c", hold, path + ".lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as other:
        other.stdout.readline()

        class Ending(logging.Handler):
            def emit(self, record):
                other.stdin.close()

        ending = Ending()
        mlt_s.logger.addHandler(ending)
        try:
            assert len(load_registered(folder, label_maps=server.url)["train"]) == 5
        finally:
            mlt_s.logger.removeHandler(ending)
    assert f"Waiting for another process, which is making {path} and holds {path}.lock." in caplog.messages


def test_an_archive_that_is_there_needs_no_lock(serve, folder, tmp_path):
    server = serve(answer_with((tmp_path / "served.zip").read_bytes()))
    path = mlt_s.fetch_label_archive(server.url, str(tmp_path / "downloads"))
    Path(path + ".lock").unlink()
    Path(path + ".lock").mkdir()  # what nobody can lock
    assert mlt_s.fetch_label_archive(server.url, str(tmp_path / "downloads")) == path


def test_a_server_that_refuses_the_connection_is_reported(load_registered, serve, folder):
    server = serve(silent)
    server.close()
    with pytest.raises(mlt_s.MltSError, match="could not be downloaded from .*Connection refused"):
        load_registered(folder, label_maps=server.url)


def test_an_interrupted_download_leaves_nothing(load_registered, serve, folder, tmp_path, monkeypatch):
    server = serve(answer_with((tmp_path / "served.zip").read_bytes()))
    monkeypatch.setattr(datasets.utils.tqdm, "update", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_registered(folder, label_maps=server.url)
    assert downloads(load_registered) == []


def _interrupt(*args):
    raise KeyboardInterrupt


def test_an_archive_of_something_else_is_said_and_not_kept(load_registered, serve, folder):
    server = serve(answer_with((folder / "ch8_validation_images.zip").read_bytes()))
    with pytest.raises(mlt_s.MltSError, match="expected a zip archive of PNG files, got application/zip, "):
        load_registered(folder, label_maps=server.url)
    assert downloads(load_registered) == []


def test_offline_nothing_is_asked(load_registered, serve, folder, monkeypatch):
    server = serve(silent)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(mlt_s.MltSError, match="HF_HUB_OFFLINE or HF_DATASETS_OFFLINE is set"):
        load_registered(folder, label_maps=server.url)
    assert server.requests == 0


def test_a_progress_bar_shows_the_bytes(load_registered, serve, folder, tmp_path, capsys):
    body = (tmp_path / "served.zip").read_bytes()
    load_registered(folder, label_maps=serve(answer_with(body)).url)
    assert "MLT_S_labels.zip: 100%" in capsys.readouterr().err
