"""What the project imports is declared, or comes with `datasets`."""

import ast
import re
import sys
from importlib import metadata

import pytest
from conftest import ROOT

from mlt_s_tools.cli import main

pytestmark = pytest.mark.once

CALLED = {"PIL": "pillow", "skimage": "scikit-image"}  # packages that are imported by another name
# What needs an extra, such as `pip install ".[train]"`, by folder or file; the metrics in `Trainer` alone.
WITH_EXTRAS = {
    "training": ("fast", "train"),
    "weak": ("train", "weak"),
    "metrics.py": ("train",),
    "evaluation": ("plot",),
    "hub": ("build",),
}


def package(requirement):
    """The name in a requirement, as the package index compares names."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def required(distribution, extras=()):
    """The requirements of a distribution, with those of these extras."""
    lines = [line.partition(";") for line in metadata.requires(distribution)]
    return {
        package(requirement)
        for requirement, _, marker in lines
        if "extra" not in marker or re.search(rf"""extra\s*==\s*['"]({"|".join(extras) or "-"})['"]""", marker)
    }


def imported(path):
    """The third-party packages that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.partition(".")[0])
    return {package(CALLED.get(name, name)) for name in names - sys.stdlib_module_names - {"mlt_s", "mlt_s_tools"}}


FILES = [ROOT / "mlt_s.py", *sorted((ROOT / "mlt_s_tools").rglob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_is_imported_is_declared_or_comes_with_datasets(path):
    extras = WITH_EXTRAS.get(path.parent.name) or WITH_EXTRAS.get(path.name, ())
    assert imported(path) <= required("mlt-s", extras) | required("datasets")


def test_bug_reports_have_the_version_of_all_that_is_installed_by_hand_or_by_an_extra(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    said = {
        package(name): version
        for name, version in (line.split(" ")[:2] for line in capsys.readouterr().out.splitlines())
    }
    for name in required("mlt-s", [extra for extras in WITH_EXTRAS.values() for extra in extras]):
        assert said[name] == metadata.version(name)


def test_the_loading_script_needs_four_packages():
    declared = (ROOT / "requirements.txt").read_text().splitlines()
    four = {package(line) for line in declared if not line.startswith("#")}
    assert four == required("mlt-s") == {"datasets", "huggingface-hub", "numpy", "pillow"}
    assert imported(ROOT / "mlt_s.py") - four <= required("datasets")
