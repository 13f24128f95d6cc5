"""A web server on loopback for tests: files in ranges, and a page of links to them."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Callable
from pathlib import Path

END_RECORDS = 62  # bytes of an archive's end, which are read first of it


class Web:
    """The server, from the `with` on, of the files of a folder.

    Attributes:
        url: its address, which answers with a page of links.
        requests: (method, name, first byte, one after the last byte) of each request, as they came; None without range.
        before: called with such a tuple in the thread that answers, before it does: to wait, or to fail. It may return
            a status to answer with, in place of the content, or "cut" to break off in the middle of it.
    """

    def __init__(self, folder: Path):
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.requests: list[tuple] = []
        self.before: Callable[[tuple], object] = lambda request: None

    def __enter__(self) -> Web:
        handler = type("Handler", (_Handler,), {"web": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()

    def members(self) -> list[tuple]:
        """The requests for members: ranges that do not lie in the directory of an archive."""
        return [request for request in self.requests if self.is_member(request)]

    def is_member(self, request: tuple) -> bool:
        """Whether a request is for a member: its local header stands where it begins."""
        return request[2] is not None and self.files[request[1]][request[2] :][:4] == b"PK\3\4"


class _Handler(http.server.BaseHTTPRequestHandler):
    web: Web
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def respond(self):
        name = self.path.strip("/")
        content = self.web.files.get(name)
        if not name:
            content = "".join(f'<a href="/{name}">{name}</a>' for name in self.web.files).encode()
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        first, last = (int(asked[1]), min(int(asked[2]) + 1, len(content))) if asked and content else (None, None)
        request = (self.command, name, first, last)
        self.web.requests.append(request)
        fault = self.web.before(request)
        size = len(content or b"")
        content = content if first is None or content is None else content[first:last]
        status = 404 if content is None else 200 if first is None else 206
        if fault and isinstance(fault, int):
            content, status = b"", fault
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last - 1}/{size}")
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        try:
            if self.command != "HEAD":
                self.wfile.write((content or b"")[: len(content) // 2 if fault == "cut" else None])
        except (BrokenPipeError, ConnectionResetError):  # a client may leave
            fault = "cut"
        self.close_connection = self.close_connection or fault == "cut"

    do_GET = do_HEAD = respond

    def log_message(self, *args):
        pass
