"""No module uses another module's names with a leading underscore, and no room uses a room that it may not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.once

MODULES = sorted(
    path
    for path in ROOT.rglob("*.py")
    if not any(part.startswith(".") or part == "build" for part in path.relative_to(ROOT).parts)
)
OF_NAMEDTUPLES = {"_replace", "_asdict", "_fields", "_make"}  # public, in spite of their names (docs of `collections`)
# Methods of fsspec's file systems and attributes of `datasets.Dataset`, which the tests' own ones have as well.
OF_LIBRARIES = {"_get_kwargs_from_urls", "_fetch_range", "_strip_protocol", "_open", "_fingerprint"}


def is_private(name: str) -> bool:
    is_marked = name.startswith("_") and not name.startswith("__") and name.strip("_")
    return bool(is_marked) and name not in OF_NAMEDTUPLES | OF_LIBRARIES


def private_names(tree: ast.Module) -> set[str]:
    """The private names that a module defines: functions, classes, variables, attributes."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
    return set(filter(is_private, found))


def reached_for(tree: ast.Module) -> list[tuple[int, str]]:
    """Line and name of each private name that a module uses without defining it."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            is_inherited = isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "super"
            if not is_own and not is_inherited:
                found.append((node.lineno, node.attr))
        elif isinstance(node, ast.ImportFrom):
            found += [(node.lineno, alias.name) for alias in node.names if is_private(alias.name)]
        elif isinstance(node, ast.Call) and called(node) in ("setattr", "getattr"):
            names = [arg.value for arg in node.args[1:2] if isinstance(arg, ast.Constant)]
            found += [(node.lineno, name) for name in names if isinstance(name, str) and is_private(name)]
    return found


def called(call: ast.Call) -> str:
    """The last part of the name of what is called, empty where it has none."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def crossings(trees: dict[str, ast.Module]) -> list[str]:
    owned = {path: private_names(tree) for path, tree in trees.items()}
    all_owned = set().union(*owned.values())
    return [
        f"{path}:{line} {name}"
        for path, tree in trees.items()
        for line, name in reached_for(tree)
        if name in all_owned and name not in owned[path]
    ]


def test_no_private_name_crosses_a_border():
    assert crossings({str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in MODULES}) == []


@pytest.mark.parametrize(
    "line, name",
    [
        ("home._secret()", "_secret"),
        ("from home import _secret", "_secret"),
        ("monkeypatch.setattr(home, '_secret', 1)", "_secret"),
        ("make()._kept", "_kept"),
    ],
)
def test_one_that_does_is_found(line, name):
    home = ast.parse("def _secret():\n    pass\n\nclass Kept:\n    def __init__(self):\n        self._kept = 1\n")
    assert crossings({"home.py": home, "guest.py": ast.parse(line)}) == [f"guest.py:1 {name}"]


def test_all_modules_are_looked_at():
    names = {path.relative_to(ROOT).parts[0] for path in MODULES}
    assert {"mlt_s.py", "mlt_s_tools", "tests", "benchmarks", "examples"} <= names
    assert Path(__file__) in MODULES


# --- Which room uses which: the drawing of CONTRIBUTING.md ----------------------------------------------------------

ROOMS = [  # from the bottom up; a room uses those before it
    {"mlt_s"},
    {f"mlt_s_tools.{name}" for name in ("records", "resuming", "writing", "output", "workers", "terminal", "extras")},
    {f"mlt_s_tools.{name}" for name in ("origin", "words", "groups", "bootstrap", "metrics")},
    {"mlt_s_tools.looking"},
    {"mlt_s_tools.training"},
    {"mlt_s_tools.evaluation"},
    {"mlt_s_tools.check"},
    {"mlt_s_tools.hub"},
    {"mlt_s_tools.weak"},
    {"mlt_s_tools.cli"},
]
APART = ("mlt_s_tools.check", "mlt_s_tools.hub", "mlt_s_tools.weak")  # which do not use each other
SHIPPED = [path for path in MODULES if path.relative_to(ROOT).parts[0] in ("mlt_s.py", "mlt_s_tools")]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> int | None:
    """The index of a module's room in `ROOMS`; None if it is in no room, like the package itself."""
    return next(
        (at for at, room in enumerate(ROOMS) if any(f"{module}.".startswith(f"{name}.") for name in room)), None
    )


def imported(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def is_in(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


@pytest.mark.parametrize("module", sorted({module_of(path) for path in SHIPPED} - {"mlt_s_tools"}))
def test_a_room_uses_those_below_it_alone(module):
    (path,) = (path for path in SHIPPED if module_of(path) == module)
    used = imported(ast.parse(path.read_text("utf-8"))) & {module_of(other) for other in SHIPPED}
    assert {name for name in used if (room_of(name) or 0) > room_of(module)} == set()
    for room in APART:
        if any(is_in(module, other) for other in APART) and not is_in(module, room):
            assert not [name for name in used if is_in(name, room)]


def test_the_drawing_kit_uses_no_other_room_and_its_users_do_not_use_each_other():
    used = {of: set() for of in ("drawing", "draw_sample", "word_network")}
    for path in MODULES:
        if (of := path.relative_to(ROOT).parts[0]) in used:
            used[of] |= {name.partition(".")[0] for name in imported(ast.parse(path.read_text("utf-8"))) if name}
    ours = {*used, "mlt_s", "mlt_s_tools", "benchmarks"}
    assert used["drawing"] & ours == {"drawing"}
    assert used["draw_sample"] & ours == {"drawing"}
    assert used["word_network"] & ours == {"drawing", "word_network", "mlt_s", "mlt_s_tools"}


def test_every_module_has_a_room():
    rooms = {module_of(path): room_of(module_of(path)) for path in SHIPPED}
    assert {module for module, room in rooms.items() if room is None} == {"mlt_s_tools"}
