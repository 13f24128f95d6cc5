"""A small Hugging Face Hub on loopback for tests: data set repositories in memory, as the real clients see them.

It answers what `huggingface_hub` 0.24 to 2.4 and `datasets` 2.21 to 5.2 ask for: who a token belongs to, creating a
repository, what it holds, uploads and commits, downloads whole and in ranges. Large files go by LFS, in one request or
in parts. Xet is not covered: it is never announced, and clients run with HF_HUB_DISABLE_XET=1. Nor are there branches,
pull requests, models and Spaces, any metadata of a card is valid, and a tree comes in one page however large it is.

It does not answer for the data set viewer, which `datasets` looks for at "datasets-server." before the address. Each
`load_dataset` of version 2.21 tries that four times, for 3.5 s; `datasets.config.USE_PARQUET_EXPORT = False` spares it.

Clients read the address when `huggingface_hub` is imported, so a test runs them in a process of their own:

    with Hub({"hf_write": ("ann", "write", ["lab"])}) as hub:
        hub.put("lab/name", {"README.md": b"# A data set"})
        subprocess.run([sys.executable, "-c", code], env=hub.environment(tmp_path, "hf_write"), check=True)
        assert hub.files("lab/name") == {...}
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import http.server
import json
import os
import re
import threading
import urllib.parse
from pathlib import Path
from typing import NamedTuple

LFS_SUFFIXES = (".arrow", ".gz", ".jpeg", ".jpg", ".npy", ".npz", ".parquet", ".png", ".tar", ".tiff", ".webp", ".zip")
LFS_SIZE = 10 * 2**20  # larger files are LFS whatever their name
DATE = "2026-01-01T00:00:00.000Z"  # of everything
NOBODY = (401, "Invalid username or password.")  # what a request without a token gets where one is needed
BLOCK = 2**16


class User(NamedTuple):
    name: str
    role: str  # "read" or "write", of the token
    organisations: list


@dataclasses.dataclass
class Request:
    """A request as it came, with its query, and how many bytes of content were sent in answer so far."""

    method: str
    path: str
    range: str | None
    sent: int = 0


class Answer(NamedTuple):
    content: bytes | dict | list = b""
    status: int = 200
    headers: dict = {}


class Refused(Exception):
    """An answer that is an error, said the way the clients read it: in headers."""

    def __init__(self, status: int, message: str, code: str | None = None, commit: str | None = None):
        headers = {"X-Error-Message": message, "X-Error-Code": code, "X-Repo-Commit": commit}
        self.answer = Answer({"error": message}, status, {name: value for name, value in headers.items() if value})


class File:
    def __init__(self, content: bytes, lfs: bool):
        self.content, self.lfs = content, lfs
        sha256 = hashlib.sha256(content).hexdigest()
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(content)}\n".encode()
        held = pointer if lfs else content
        self.blob = hashlib.sha1(b"blob %d\0" % len(held) + held).hexdigest()  # its id in git
        self.etag = sha256 if lfs else self.blob
        self.description = {"size": len(content), "oid": self.blob}
        if lfs:
            self.description["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": len(pointer)}


class Commit:
    def __init__(self, title: str, files: dict, parent: Commit | None = None):
        self.title, self.files, self.parent = title, files, parent
        self.id = _sha1(parent and parent.id, title, sorted(self.within("").items()))

    def within(self, folder: str) -> dict:
        """The files at or below a path, as path -> id in git."""
        prefix = f"{folder}/" if folder else ""
        return {path: file.blob for path, file in self.files.items() if f"{path}/".startswith(prefix)}

    def paths(self) -> list:
        """The paths of files and folders, sorted."""
        folders = {"/".join(path.split("/")[:depth]) for path in self.files for depth in range(1, path.count("/") + 1)}
        return sorted({*self.files, *folders})

    def description(self, path: str, expand: bool = False) -> dict:
        """A file or a folder as a listing has it."""
        inside = self.within(path)
        if path in self.files:
            found = {"type": "file", "path": path, **self.files[path].description}
        else:
            found = {"type": "directory", "path": path, "size": 0, "oid": _sha1(inside)}
        if expand:
            last = self
            while last.parent and last.parent.within(path) == inside:
                last = last.parent
            found["lastCommit"] = {"id": last.id, "title": last.title, "date": DATE}
        return found


@dataclasses.dataclass
class Repository:
    private: bool
    head: Commit
    objects: dict = dataclasses.field(default_factory=dict)  # LFS files by SHA-256, uploaded before they are committed
    parts: dict = dataclasses.field(default_factory=dict)  # of LFS files, by SHA-256 and number
    is_listed: bool = True  # whether what is said of it names its files

    def at(self, revision: str) -> Commit:
        commit = self.head
        while commit and revision not in ("main", commit.id):
            commit = commit.parent
        if commit is None:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit


class Call(NamedTuple):
    """A request as the methods that answer it see it."""

    user: User | None
    query: dict
    headers: dict
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    def asks(self, option: str) -> bool:
        return self.query.get(option, [""])[0].lower() == "true"


class Hub:
    """The server, from the `with` on. `tokens` are token -> (user, "read" or "write", organisations).

    LFS files larger than `multipart_size` are uploaded in parts of this size.
    """

    def __init__(self, tokens: dict | None = None, multipart_size: int = 2**30):
        self.tokens = {token: User(*of) for token, of in (tokens or {}).items()}
        self.multipart_size = multipart_size
        self.repositories: dict = {}
        self.requests: list = []
        self._failures: list = []
        self._lock = threading.Lock()

    def __enter__(self) -> Hub:
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()

    def environment(self, home: Path, token: str | None = None) -> dict:
        """All environment variables of a client: its cache under `home`, nothing of this process's own Hub settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        switches = ("XET", "TELEMETRY", "PROGRESS_BARS", "SYMLINKS_WARNING")
        kept.update({f"HF_HUB_DISABLE_{switch}": "1" for switch in switches})
        kept.update(HF_ENDPOINT=self.endpoint, HF_HOME=str(home), HF_UPDATE_DOWNLOAD_COUNTS="0", no_proxy="127.0.0.1")
        return {**kept, "HF_TOKEN": token} if token else kept

    def put(self, name: str, files: dict, private: bool = False):
        """Makes main of a repository hold exactly these files (path -> bytes), without a client."""
        made = {path: File(content, _is_lfs(path, len(content))) for path, content in files.items()}
        before = self.repositories.get(name)
        self.repositories[name] = Repository(private, Commit("put", made, before and before.head))

    def files(self, name: str) -> dict:
        """What main of a repository holds: path -> bytes."""
        return {path: file.content for path, file in self.repositories[name].head.files.items()}

    def fail(self, method: str, part: str, status: int, times: int = 1):
        """The next `times` requests of this method with this part in their path get this status, and do nothing."""
        self._failures += [(method, part, status)] * times

    def answer(self, request: Request, headers: dict, body: bytes) -> Answer:
        address = urllib.parse.urlsplit(request.path)
        with self._lock:
            try:
                for failure in self._failures:
                    if request.method == failure[0] and failure[1] in request.path:
                        self._failures.remove(failure)
                        raise Refused(failure[2], "Failed as the test asked")
                call = Call(self._user(headers), urllib.parse.parse_qs(address.query), headers, body)
                for pattern, respond in ROUTES:
                    match = re.fullmatch(pattern, f"{request.method} {address.path}")
                    if match:
                        return respond(self, call, *(urllib.parse.unquote(part or "") for part in match.groups()))
                raise Refused(501, f"This Hub knows no {request.method} {address.path}")
            except Refused as refused:
                return refused.answer

    def _user(self, headers: dict) -> User | None:
        kind, _, token = headers.get("Authorization", "").partition(" ")
        if kind and token not in self.tokens:
            raise Refused(401, "Invalid credentials in Authorization header")
        return self.tokens[token] if kind else None

    def _readable(self, call: Call, name: str) -> Repository:
        repository = self.repositories.get(name)
        if repository is None or (repository.private and not _belongs(name, call.user)):
            missing = (404, "Repository not found") if call.user else NOBODY
            raise Refused(*missing, "RepoNotFound")
        return repository

    def _writable(self, call: Call, name: str) -> Repository:
        repository = self._readable(call, name)
        if call.user is None:
            raise Refused(*NOBODY, "RepoNotFound")
        if call.user.role == "read" or not _belongs(name, call.user):
            raise Refused(403, "Forbidden: you must use a write token to upload to a repository.")
        return repository

    def whoami(self, call: Call) -> Answer:
        if call.user is None:
            raise Refused(*NOBODY)
        token = {"displayName": "test", "role": call.user.role, "createdAt": DATE}
        organisations = [{"type": "org", "name": name, "fullname": name} for name in call.user.organisations]
        user = {"type": "user", "name": call.user.name, "fullname": call.user.name, "orgs": organisations}
        return Answer({**user, "auth": {"type": "access_token", "accessToken": token}})

    def auth_check(self, call: Call, name: str, write: str) -> Answer:
        (self._writable if write else self._readable)(call, name)
        return Answer({})

    def create(self, call: Call) -> Answer:
        if call.user is None:
            raise Refused(*NOBODY)
        namespace = call.json.get("organization") or call.user.name
        name = f"{namespace}/{call.json['name']}"
        if call.user.role == "read" or not _belongs(name, call.user):
            raise Refused(403, f'You don\'t have the rights to create a dataset under the namespace "{namespace}"')
        found = {"url": f"{self.endpoint}/datasets/{name}", "name": name}
        if name in self.repositories:
            return Answer({**found, "error": "You already created this dataset repo"}, 409)
        private = call.json.get("private") or call.json.get("visibility") == "private"  # before and from 1.0 on
        rules = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES)
        first = Commit("initial commit", {".gitattributes": File(rules.encode(), False)})
        self.repositories[name] = Repository(bool(private), first)
        return Answer(found)

    def validate(self, call: Call) -> Answer:
        return Answer({"errors": [], "warnings": []})

    def info(self, call: Call, name: str, revision: str) -> Answer:
        repository = self._readable(call, name)
        commit = repository.at(revision or "main")
        about = {"id": name, "author": name.split("/")[0], "sha": commit.id, "private": repository.private}
        about.update(gated=False, disabled=False, downloads=0, likes=0, tags=[], createdAt=DATE, lastModified=DATE)
        if not repository.is_listed:
            return Answer(about)
        about["siblings"] = [{"rfilename": path} for path in sorted(commit.files)]
        for sibling in about["siblings"] if call.asks("blobs") else []:
            file = commit.files[sibling["rfilename"]]
            lfs = {**file.description["lfs"], "sha256": file.etag} if file.lfs else None
            sibling.update(size=len(file.content), blobId=file.blob, lfs=lfs)
        return Answer(about)

    def tree(self, call: Call, name: str, revision: str, folder: str) -> Answer:
        commit = self._readable(call, name).at(revision)
        prefix = f"{folder}/" if folder else ""
        inside = [path for path in commit.paths() if path.startswith(prefix)]
        if folder and not inside:
            raise Refused(404, f'{folder} does not exist on "{revision}"', "EntryNotFound", commit.id)
        listed = [path for path in inside if call.asks("recursive") or "/" not in path[len(prefix) :]]
        return Answer([commit.description(path, call.asks("expand")) for path in listed])

    def paths_info(self, call: Call, name: str, revision: str) -> Answer:
        commit = self._readable(call, name).at(revision)
        form = call._replace(query=urllib.parse.parse_qs(call.body.decode()))
        known = [path for path in form.query.get("paths", []) if path in commit.paths()]
        return Answer([commit.description(path, form.asks("expand")) for path in known])

    def preupload(self, call: Call, name: str, revision: str) -> Answer:
        commit = self._writable(call, name).at(revision)
        answers = []
        for file in call.json["files"]:
            there = commit.files.get(file["path"])
            mode = {"uploadMode": "lfs" if _is_lfs(file["path"], file["size"]) else "regular", "shouldIgnore": False}
            answers.append({"path": file["path"], **mode, "oid": there.etag if there else None})
        return Answer({"files": answers})

    def lfs_batch(self, call: Call, name: str) -> Answer:
        repository = self._writable(call, name)
        parts = "multipart" in call.json["transfers"]
        objects = []
        for wanted in call.json["objects"]:
            oid, size = wanted["oid"], wanted["size"]
            upload: dict = {"href": f"{self.endpoint}/lfs/{name}/{oid}"}
            if parts and size > self.multipart_size:
                count = -(-size // self.multipart_size)
                upload["header"] = {str(part): f"{upload['href']}/{part}" for part in range(1, count + 1)}
                upload["header"]["chunk_size"] = str(self.multipart_size)
            verify = {"href": f"{self.endpoint}/datasets/{name}.git/info/lfs/verify"}
            actions = {} if oid in repository.objects else {"actions": {"upload": upload, "verify": verify}}
            objects.append({"oid": oid, "size": size, **actions})
        return Answer({"transfer": "multipart" if parts else "basic", "objects": objects})

    def lfs_upload(self, call: Call, name: str, oid: str, part: str) -> Answer:
        """Comes without a token, as does the word that the parts are complete: the real one signs these addresses."""
        repository = self.repositories[name]
        if part:
            repository.parts[oid, int(part)] = call.body
        else:
            self._store(repository, oid, call.body)
        return Answer(headers={"ETag": f'"{hashlib.md5(call.body).hexdigest()}"'})

    def lfs_complete(self, call: Call, name: str, oid: str) -> Answer:
        parts = [self.repositories[name].parts.pop((oid, part["partNumber"])) for part in call.json["parts"]]
        self._store(self.repositories[name], oid, b"".join(parts))
        return Answer({})

    def _store(self, repository: Repository, oid: str, content: bytes):
        if hashlib.sha256(content).hexdigest() != oid:
            raise Refused(400, "The content is not that of its SHA-256")
        repository.objects[oid] = content

    def lfs_verify(self, call: Call, name: str) -> Answer:
        content = self._writable(call, name).objects.get(call.json["oid"])
        if content is None or len(content) != call.json["size"]:
            raise Refused(404, "The upload did not arrive")
        return Answer({})

    def commit(self, call: Call, name: str, revision: str) -> Answer:
        repository = self._writable(call, name)
        if revision != "main" or "create_pr" in call.query:
            raise Refused(501, "This Hub commits to main alone")
        header, *changes = [json.loads(line) for line in call.body.splitlines()]
        if header["value"].get("parentCommit", repository.head.id) != repository.head.id:
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        files = dict(repository.head.files)
        for change in changes:
            _apply(change["key"], change["value"], files, repository.objects)
        repository.head = Commit(header["value"]["summary"], files, repository.head)
        url = f"{self.endpoint}/datasets/{name}/commit/{repository.head.id}"
        return Answer({"success": True, "commitOid": repository.head.id, "commitUrl": url})

    def resolve(self, call: Call, name: str, revision: str, path: str) -> Answer:
        commit = self._readable(call, name).at(revision)
        if path not in commit.files:
            raise Refused(404, "Entry not found", "EntryNotFound", commit.id)
        file = commit.files[path]
        size = len(file.content)
        headers = {"ETag": f'"{file.etag}"', "X-Repo-Commit": commit.id, "Accept-Ranges": "bytes"}
        if file.lfs:
            headers.update({"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(size)})
        if "Range" not in call.headers:
            return Answer(file.content, headers=headers)
        first, last = re.fullmatch(r"bytes=(\d*)-(\d*)", call.headers["Range"]).groups()
        start, end = (int(first), min(int(last or size), size - 1)) if first else (max(size - int(last), 0), size - 1)
        if start > end:
            return Answer(status=416, headers={**headers, "Content-Range": f"bytes */{size}"})
        headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        return Answer(file.content[start : end + 1], 206, headers)


def _sha1(*content) -> str:
    return hashlib.sha1(repr(content).encode()).hexdigest()


def _is_lfs(path: str, size: int) -> bool:
    return path.endswith(LFS_SUFFIXES) or size > LFS_SIZE


def _belongs(name: str, user: User | None) -> bool:
    return user is not None and name.split("/")[0] in (user.name, *user.organisations)


def _apply(kind: str, change: dict, files: dict, objects: dict):
    """Makes one change of a commit in its files."""
    path = change["path"]
    if kind == "file":
        files[path] = File(base64.b64decode(change["content"]), False)
    elif kind == "lfsFile":
        if change["oid"] not in objects:
            raise Refused(400, f"{path} was never uploaded")
        files[path] = File(objects[change["oid"]], True)
    else:  # deletedFile and deletedFolder
        gone = [known for known in files if known == path or known.startswith(path.rstrip("/") + "/")]
        if not gone:
            raise Refused(404, "A file with this name doesn't exist", "EntryNotFound")
        for known in gone:
            del files[known]


API, REPOSITORY = "/api/datasets/([^/]+/[^/]+)", "/datasets/([^/]+/[^/]+)"
ROUTES = [
    ("GET /api/whoami-v2", Hub.whoami),
    ("POST /api/repos/create", Hub.create),
    ("POST /api/validate-yaml", Hub.validate),
    (f"GET {API}(?:/revision/([^/]+))?", Hub.info),
    (f"GET {API}/auth-check(/write)?", Hub.auth_check),
    (f"GET {API}/tree/([^/]+)(?:/(.+))?", Hub.tree),
    (f"POST {API}/paths-info/([^/]+)", Hub.paths_info),
    (f"POST {API}/preupload/([^/]+)", Hub.preupload),
    (f"POST {API}/commit/([^/]+)", Hub.commit),
    (rf"POST {REPOSITORY}\.git/info/lfs/objects/batch", Hub.lfs_batch),
    (rf"POST {REPOSITORY}\.git/info/lfs/verify", Hub.lfs_verify),
    (r"PUT /lfs/([^/]+/[^/]+)/(\w+)(?:/(\d+))?", Hub.lfs_upload),
    (r"POST /lfs/([^/]+/[^/]+)/(\w+)", Hub.lfs_complete),
    (f"(?:GET|HEAD) {REPOSITORY}/resolve/([^/]+)/(.+)", Hub.resolve),
]


class _Handler(http.server.BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise every content waits for its headers to be acknowledged

    def respond(self):
        request = Request(self.command, self.path, self.headers.get("Range"))
        self.hub.requests.append(request)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content, status, headers = self.hub.answer(request, self.headers, body)
        if not isinstance(content, bytes):
            content, headers = json.dumps(content).encode(), {**headers, "Content-Type": "application/json"}
        try:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            for start in range(0, len(content) if self.command != "HEAD" else 0, BLOCK):
                block = content[start : start + BLOCK]
                request.sent += len(block)  # before it is sent: who has it may look at once
                self.wfile.write(block)
        except (BrokenPipeError, ConnectionResetError):  # a client may leave with what it has
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = respond

    def log_message(self, *args):
        pass
