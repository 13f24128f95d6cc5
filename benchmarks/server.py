"""A server on loopback with the delay of one on the internet: `python -m benchmarks.server KIND FOLDER DELAY`.

KIND is "http", "hf" (the Hub of the tests) or "s3" (moto's server). It serves the files of the folder, and prints a
line of JSON with the options to open them (see `Far`). Then, for each line that it reads, it prints the counts of
requests since the last one.
"""

import asyncio
import http.server
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Union

ROOT = Path(__file__).parents[1]
DELAY = 0.05  # seconds per round trip
FARTHER = 5  # factor of a longer delay, by which the number of round trips is computed
LINE = 125_000_000  # bytes per second: 1 Gbit/s, for all connections together
_METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ")
Served = tuple[str, Callable[[str], dict[str, Any]]]  # the server's own address, and options by the line's


class Far:
    """Such a server in a separate process, which runs until this process group ends.

    Attributes:
        options: `data_dir` and `storage_options` for `mlt_s.MltS`: twice at the delay, and once at `FARTHER` times the
            delay.
        delay: seconds per round trip.
    """

    def __init__(self, kind: str, folder: Union[str, Path], delay: float = DELAY) -> None:
        command = [sys.executable, "-m", "benchmarks.server", kind, str(folder), str(delay)]
        self.delay = delay
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.options = json.loads(self._printed())

    def counts(self) -> dict[str, float]:
        """Requests, bytes of the answers, and CPU seconds of the server, since the last call."""
        assert self._process.stdin  # a pipe, as asked for
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._printed())

    def _printed(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()


class _Line:
    """Passes data between clients and the server, with the delay, and no faster than the line."""

    def __init__(self) -> None:
        self.requests, self.sent, self._free_at, self._cpu = 0, 0, 0.0, 0.0

    async def listen(self, port: int, delay: float) -> int:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            behind = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
            await asyncio.gather(self._ask(reader, behind[1], delay), self._answer(behind[0], writer))

        server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=500)
        return server.sockets[0].getsockname()[1]

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
        while content := await _read(reader, 1 << 16):
            self.requests += content.startswith(_METHODS)
            await asyncio.sleep(delay)
            writer.write(content)
            await writer.drain()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await _read(reader, 1 << 18):
            self.sent += len(content)
            now = time.monotonic()
            self._free_at = max(now, self._free_at) + len(content) / LINE
            await asyncio.sleep(self._free_at - now)
            writer.write(content)
            try:
                await writer.drain()
            except OSError:  # it has left
                break
        writer.close()

    def counts(self) -> dict[str, float]:
        cpu = time.process_time()
        counted = {"requests": self.requests, "sent": self.sent, "cpu": cpu - self._cpu}
        self.requests, self.sent, self._cpu = 0, 0, cpu
        return counted


async def _read(reader: asyncio.StreamReader, size: int) -> bytes:
    try:
        return await reader.read(size)
    except OSError:
        return b""


def _files(folder: Path) -> list[tuple[str, Path]]:
    return [(path.relative_to(folder).as_posix(), path) for path in sorted(folder.rglob("*")) if path.is_file()]


def _http(folder: Path) -> Served:
    from web import Web

    web = Web(folder).__enter__()
    return web.url.rstrip("/"), lambda url: {"data_dir": f"{url}/"}


def _hf(folder: Path) -> Served:
    from hub import Hub

    hub = Hub().__enter__()
    hub.put("lab/mlt", {name: path.read_bytes() for name, path in _files(folder)})
    return hub.endpoint, lambda url: {"data_dir": "hf://datasets/lab/mlt", "storage_options": {"endpoint": url}}


def _s3(folder: Path) -> Served:
    import boto3
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer(port=0, verbose=False)
    moto.start()
    behind = "http://{}:{}".format(*moto.get_host_and_port())
    secrets = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=behind, **secrets)
    client.create_bucket(Bucket="mlt")
    for name, path in _files(folder):
        client.upload_file(str(path), "mlt", name)
    keys = {"key": "any", "secret": "any", "client_kwargs": {"region_name": "us-east-1"}}
    return behind, lambda url: {"data_dir": "s3://mlt", "storage_options": {**keys, "endpoint_url": url}}


def main(kind: str, folder: str, delay: str) -> None:
    sys.path.append(str(ROOT / "tests"))
    # With the default, some of many simultaneous clients would wait for a second.
    http.server.ThreadingHTTPServer.request_queue_size = 500
    behind, options = {"http": _http, "hf": _hf, "s3": _s3}[kind](Path(folder))
    line, loop = _Line(), asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    opened = []
    for seconds in (float(delay), float(delay), FARTHER * float(delay)):
        listening = asyncio.run_coroutine_threadsafe(line.listen(int(behind.rsplit(":", 1)[1]), seconds), loop)
        opened.append(options(f"http://127.0.0.1:{listening.result()}"))
    print(json.dumps(opened), flush=True)
    for _ in sys.stdin:
        print(json.dumps(line.counts()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
