"""README and docs/ are consistent: their size, links, names and figures; and so are the other files for people."""

import ast
import importlib
import json
import re

import pytest
import yaml  # comes with huggingface_hub
from conftest import ROOT
from pages import README, TEXT, anchors, blocks, documented, links

import mlt_s
import mlt_s_tools
import mlt_s_tools.training

pytestmark = pytest.mark.once

REFERENCE = sorted((ROOT / "docs" / "reference").glob("*.md"))
LINKS = [(page, file, anchor) for page in TEXT for file, anchor in links(page)]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_readme_is_for_someone_in_a_hurry():
    assert len(README.read_text(encoding="utf-8").split()) <= 1500


@pytest.mark.parametrize("page, file, anchor", LINKS, ids=[f"{page}-{file}-{anchor}" for page, file, anchor in LINKS])
def test_each_link_leads_to_a_file_and_a_heading(page, file, anchor):
    target = (ROOT / page).parent / file if file else ROOT / page
    assert target.is_file()
    assert not anchor or anchor in anchors(target)
    if page.startswith("docs/") and target.suffix == ".md":  # the site has no other pages
        assert (ROOT / "docs") in target.resolve().parents


def test_links_are_found_and_broken_ones_would_be_seen():
    assert ("docs/loading.md", "names") in links("README.md")
    assert ("words.md", "unlabelled-images") in links("docs/loading.md")
    assert "names" in anchors(ROOT / "docs" / "loading.md")
    assert "no-such-heading" not in anchors(ROOT / "docs" / "loading.md")
    assert {page for page, _, _ in LINKS} >= {"README.md", "docs/index.md", "docs/training.md"}


def nav(entries):
    for entry in entries:
        for target in entry.values() if isinstance(entry, dict) else [entry]:
            yield from nav(target) if isinstance(target, list) else [target]


def test_every_page_is_in_the_navigation_and_on_the_overview():
    pages = {page.removeprefix("docs/") for page in TEXT if page.startswith("docs/")}
    assert sorted(nav(yaml.safe_load(read("mkdocs.yml"))["nav"])) == sorted(pages)
    assert {file for file, _ in links("docs/index.md") if file.endswith(".md")} == pages - {"index.md"}


def test_building_the_site_asks_nothing_of_the_network():
    config = yaml.safe_load(read("mkdocs.yml"))
    assert config["theme"]["font"] is False
    loaded = [config.get(name, []) for name in ("extra_css", "extra_javascript")]
    assert not re.search(r"https?:", json.dumps([loaded, config["plugins"]]))
    assert not re.search(r"https?:|@import", read("docs/style.css"))


def test_the_reference_has_every_public_name():
    shown = {name for page in REFERENCE for name in documented(page)}
    for module in (mlt_s_tools, mlt_s_tools.training):
        assert {f"{module.__name__}.{name}" for name in module.__all__} - {"mlt_s_tools.SAMPLE"} <= shown
    code = "\n".join(block.code for block in blocks("python"))
    used = re.findall(r"^from (mlt_s_tools[\w.]*) import (.*)$", code, re.MULTILINE)
    assert {f"{module}.{name}" for module, names in used for name in names.split(", ")} <= shown
    assert {f"mlt_s.{name}" for name in ("MltS", "MltSConfig", "MltSError", "parse_words")} <= shown


def docstrings():
    """By name, what stands below each class and function, without importing what they import."""
    for path in [ROOT / "mlt_s.py", *(ROOT / "mlt_s_tools").rglob("*.py")]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                yield node.name, ast.get_docstring(node)


def test_what_the_reference_names_is_there_and_has_a_docstring():
    texts = dict(docstrings())
    for name in (name for page in REFERENCE for name in documented(page)):
        module, _, attribute = name.rpartition(".")
        module = importlib.import_module(module)
        assert attribute in getattr(module, "__all__", []) or hasattr(module, attribute), name
        assert texts[attribute], name


def test_the_errors_of_the_readme_are_those_of_troubleshooting():
    rows = re.findall(r"^\| (.*?) \| (.*?) \|$", TEXT["README.md"].partition("| you see |")[2], re.MULTILINE)[1:]
    assert len(rows) == 10
    for seen, _ in rows:
        for words in re.findall(r"`(.*?)`", seen):
            assert words.strip(". ") in TEXT["docs/troubleshooting.md"], seen


def test_the_figures_of_the_readme_are_those_of_the_benchmarks():
    ratios = json.loads(read("benchmarks/results.json"))["ratios"]
    rows = dict(re.findall(r"^\| ([a-z][^|]*?) \| ([^|]*\d[^|]*?) \| [^|]*\|$", TEXT["README.md"], re.MULTILINE))
    stated = {name: [float(figure) for figure in re.findall(r"\d+\.\d+", said)] for name, said in rows.items()}

    def of(*names):
        return [round(ratios[name]["median"], 2) for name in names]

    assert stated["first example of a stream, from zips"] == of("first")
    assert stated["preparing"] == of("prepare_1", "prepare_2")
    assert stated["resuming a stream at 90 % of an epoch"] == of("resume_stream_flat", "resume_stream")
    training = of("train_archive_dataset_2", "train_archive_dataset", "train_fast_2", "train_fast")
    assert stated["training crops, from zips, speed a core"] == training


def test_the_changelog_has_the_version_and_its_date_and_sections():
    """As keepachangelog.com has it."""
    text = read("CHANGELOG.md")
    versions = re.findall(r"^## \[(.*?)\](?: - (\d{4}-\d\d-\d\d))?$", text, re.MULTILINE)
    assert versions[0] == ("Unreleased", "") and mlt_s.__version__ in dict(versions)
    assert all(date for version, date in versions[1:])
    kinds = re.findall(r"^### (.*)$", text, re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_citation_says_what_the_citation_file_format_requires():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"] and citation["message"]
    assert citation["version"] == mlt_s.__version__ and citation["license"] == "Apache-2.0"
    for work in (citation, *citation["references"]):
        assert work["authors"] and all(author.get("name") or author["family-names"] for author in work["authors"])
    titles = {re.sub(r"[{}\\]", "", title) for title in re.findall(r"\btitle += \{(.*)\},", mlt_s.CITATION)}
    assert {work["title"] for work in citation["references"]} == titles
    families = [{author["family-names"] for author in work["authors"]} for work in citation["references"]]
    assert families == [{"Bonechi", "Andreini", "Bianchini", "Scarselli"}] * 2
    assert citation["references"][1]["doi"] in mlt_s.CITATION


def test_the_hooks_before_a_commit_are_local():
    repositories = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    hooks = {hook["id"]: hook for hook in repositories[0]["hooks"]}
    assert {hook["entry"] for hook in hooks.values()} >= {"ruff check", "ruff format --check"}
    assert {hook["language"] for hook in hooks.values()} == {"system"}
