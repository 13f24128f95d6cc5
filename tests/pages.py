"""What README and docs/ show: their code, their links, and a server that runs the code."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from conftest import ROOT

import mlt_s

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in PAGES}


class Block(NamedTuple):
    """A piece of code of a page."""

    page: str
    language: str
    code: str


def blocks(language: str) -> list[Block]:
    """All fenced blocks of a language, page by page."""
    return [block for block in _blocks() if block.language == language]


def _blocks():
    for page, text in TEXT.items():
        for language, code in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            yield Block(page, language, code)


def languages() -> set[str]:
    return {block.language for block in _blocks()}


def commands() -> list[tuple[str, list[str]]]:
    """Page and words of each command of the shell, those that && joins one by one."""
    found = []
    for page, _, code in blocks("bash"):
        for line in code.replace("\\\n", " ").splitlines():
            for command in " ".join(shlex.quote(word) for word in shlex.split(line, comments=True)).split(" '&&' "):
                found.append((page, shlex.split(command)))
    return [(page, words) for page, words in found if words]


def links(page: str) -> list[tuple[str, str]]:
    """File and anchor of each link of a page that stays in the repository; "" is the page, and no anchor."""
    prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", TEXT[page], flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^)\s]+)\)", prose)
    return [tuple(target.partition("#")[::2]) for target in targets if not re.match(r"\w+:", target)]


def anchors(path: Path) -> set[str]:
    """What a link to a page may name: its headings, as GitHub writes them, and what its reference documents."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(documented(path))


def documented(path: Path) -> list[str]:
    """The names whose docstrings a page of the reference shows."""
    return re.findall(r"^::: (\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE)


class Done(NamedTuple):
    """What a process did, as of `subprocess.run`."""

    returncode: int
    stdout: str
    stderr: str


# Imports what takes seconds once. Then each job is a fork, which runs its code as `python -c` does: in a module of the
# name __main__ without a file. Not mlt_s, which code has to import by itself.
_SERVER = """
import atexit, importlib, json, os, sys, traceback, types

for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
if "transformers" in sys.modules:  # its parts are imported when they are asked for
    from transformers import AutoImageProcessor, SegformerForSemanticSegmentation, SegformerImageProcessor, Trainer
assert "mlt_s" not in sys.modules
print("ready", flush=True)
for line in sys.stdin:
    if not (pid := os.fork()):
        break
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
else:
    sys.exit()
job = json.loads(line)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
for number, path in (1, job["stdout"]), (2, job["stderr"]):
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
os.chdir(job["folder"])
sys.path[:0] = [job["folder"], job["path"]]
os.environ.update(HOME=job["folder"], PYTHONPATH=job["path"])
sys.modules["__main__"] = types.ModuleType("__main__")
failed = False
try:
    exec(compile(job["code"], "<code>", "exec"), vars(sys.modules["__main__"]))
except BaseException:
    failed = True
    traceback.print_exc()
atexit._run_exitfuncs()
sys.stdout.flush()
os._exit(failed)  # without taking the libraries down, which takes longer than most of the code
"""


class Server:
    """Runs pieces of code, each in a process of its own that has imported the libraries already."""

    def __init__(self, folder: Path, modules: list[str]):
        self.folder = folder
        environment = {**os.environ, "HF_HOME": str(folder / "hf")}
        for name in ("HF_MODULES_CACHE", "PYTHONPATH"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, json.dumps(modules)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment,
        )
        assert self.process.stdout.readline() == "ready\n"

    def run(self, code: str, folder: Path) -> Done:
        """Runs code whose working and home directory are the folder."""
        out, err = self.folder / "stdout", self.folder / "stderr"
        path = os.path.dirname(mlt_s.__file__)  # the one that is tested, installed or not
        job = {"code": code, "folder": str(folder), "path": path, "stdout": str(out), "stderr": str(err)}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        returncode = int(self.process.stdout.readline())
        return Done(returncode, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
