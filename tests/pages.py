"""What README and docs/ show: their code, and their links."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from conftest import ROOT

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
