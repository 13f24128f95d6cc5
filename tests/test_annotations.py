"""All functions are annotated, and type checkers find the names that are imported lazily."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest
from conftest import ROOT

import mlt_s_tools

pytestmark = pytest.mark.once

TOOLS = ROOT / "mlt_s_tools"
FILES = [ROOT / "mlt_s.py", *sorted(TOOLS.rglob("*.py")), *sorted((ROOT / "examples").glob("*.py"))]
LAZY = ("mlt_s_tools", "mlt_s_tools.training")


def lacking(tree: ast.Module) -> list[str]:
    """Line, function and name of each argument without a type, and "return" of each result without one.

    As for mypy, `__init__` needs none for its result where it has arguments with types.
    """
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            of = node.args
            arguments = [*of.posonlyargs, *of.args, *of.kwonlyargs, *filter(None, (of.vararg, of.kwarg))]
            names = [one.arg for one in arguments if one.annotation is None and one.arg not in ("self", "cls")]
            is_known = node.name == "__init__" and any(one.annotation for one in arguments)
            names += ["return"] * (node.returns is None and not is_known)
            found += [f"{node.lineno} {node.name} {name}" for name in names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_all_functions_are_annotated(path: Path):
    assert lacking(ast.parse(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "line, names",
    [
        ("def f(a, b: int = 1): pass", ["a", "return"]),
        ("def f(*a, b, **c) -> None: pass", ["b", "a", "c"]),
        ("async def f(a, /) -> None: pass", ["a"]),
        ("class A:\n    def f(self): pass", ["return"]),
        ("class A:\n    def __init__(self): pass", ["return"]),
        ("class A:\n    def __init__(self, a: int): pass", []),
        ("def f() -> None:\n    def g(a) -> None: pass", ["a"]),
        ("class A:\n    def f(self, a: int) -> int: pass", []),
    ],
)
def test_what_is_not_is_found(line: str, names: list[str]):
    assert [one.split()[-1] for one in lacking(ast.parse(line))] == names


@pytest.mark.parametrize("package", LAZY)
def test_a_checker_finds_what_is_imported_lazily(package: str):
    module = importlib.import_module(package)
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    blocks = [node.body for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for block in blocks for node in block if isinstance(node, ast.ImportFrom)]
    # Only a name that is imported as itself is one that the package gives on.
    given = {alias.asname: (node.module, alias.name) for node in imports for alias in node.names}
    assert set(given) == set(module.__all__) - {"SAMPLE"}
    for name, (source, of_source) in given.items():
        assert of_source == name
        assert getattr(module, name) is getattr(importlib.import_module(source), name)


def test_a_checker_is_told_that_there_are_annotations():
    from setuptools.config.pyprojecttoml import read_configuration

    assert (Path(mlt_s_tools.__file__).parent / "py.typed").is_file()
    packaged = read_configuration(ROOT / "pyproject.toml")["tool"]["setuptools"]["package-data"]
    assert "py.typed" in packaged["mlt_s_tools"]
