"""Sessions for style and types, the pages of docs/, and the version matrix: loading tests on each supported `datasets`.

`nox` runs the sessions in the order of this file, `nox -l` lists them, and `nox -s lint` is the quick one.
"""

import itertools
import os
import re
import shutil
import subprocess
from pathlib import Path

import nox

# Not uv: it ignores pip's configuration, which may set a mirror or a local folder of wheels.
nox.options.default_venv_backend = "virtualenv"
nox.options.stop_on_first_error = True

# Releases of `datasets` with dependencies of the same time; 2.21.0 runs with the lower bounds of requirements.txt.
FLOOR = ["huggingface_hub==0.24.0", "numpy==1.26.0", "pillow==10.4.0", "pyarrow<18", "fsspec<=2024.6.1"]
MATRIX = {
    "2.21.0": ["datasets==2.21.0", *FLOOR],
    "3.6.0": ["datasets==3.6.0", "huggingface_hub<1"],
    "4.0.0": ["datasets==4.0.0", "huggingface_hub<1"],
    "4.8.5": ["datasets==4.8.5"],
    "5.2.0": ["datasets==5.2.0"],
}
# All tests in these files are marked "once". They import packages that the oldest versions cannot or need not have:
# transformers, matplotlib, OpenCV, simplejpeg and mlcroissant.
LEFT_OUT = [
    f"tests/test_{name}.py" for name in ("benchmarks", "croissant", "decoding", "gpu_benchmark", "word_network")
]
# Large packages that are the same for every release: like PyTorch, sessions of the matrix share one copy.
SHARED = ["duckdb", "mpmath<1.4", "networkx", "playwright", "polars", "polars-runtime-32", "sympy"]
OLDEST_PYTHON = (3, 9)  # as in pyproject.toml
# Tests of loading and of names, pixels and words. They do not import torch, which has wheels for few Pythons.
LOADING = [
    f"tests/test_{name}.py"
    for name in ("archives", "cache", "docstrings", "join", "label_sources", "loading", "pixels", "words")
]
SCRIPT_FILES = ["mlt_s.py", "dataset_infos.json", "README.md"]
# The environment of the README's commands, with which .ci/run begins. It has the newest release, and runs all tests.
NEWEST = Path(".venv/bin/python").absolute()


@nox.session
def lint(session):
    """Checks style, formatting and types of the source.

    Besides the tools, it installs only packages with types, and not PyTorch. mypy treats other packages as Any, here
    and in environments that have them (pyproject.toml).
    """
    tools = nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]["lint"]
    requirements = Path("requirements.txt").read_text().splitlines()
    session.install(*tools, *(line for line in requirements if not line.startswith(("#", "datasets"))))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")


def installed(python):
    """The version of `datasets` of an interpreter; None if there is no such interpreter."""
    if not python.exists():
        return None
    code = "import importlib.metadata as m; print(m.version('datasets'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def interpreters():
    """Paths of the oldest and the newest supported Python on this machine, by version, such as (3, 9).

    It searches PATH and pyenv, and ignores links and shims that start no Python.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    folders = [*map(Path, os.environ["PATH"].split(os.pathsep)), *pyenv.glob("versions/*/bin")]
    names = sorted({path.name for folder in folders for path in folder.glob("python3.*")})
    found = {}
    for folder, name in itertools.product(folders, filter(re.compile(r"python3\.\d+").fullmatch, names)):
        version = tuple(map(int, name[len("python") :].split(".")))
        if version >= OLDEST_PYTHON and version not in found and starts(folder / name):
            found[version] = str(folder / name)
    return {version: found[version] for version in {min(found, default=None), max(found, default=None)} if version}


def starts(python):
    return python.exists() and subprocess.run([python, "-c", "import venv"], capture_output=True).returncode == 0


@nox.session(python=False)  # it makes its own environments, with Pythons other than nox's
def pythons(session):
    """Runs the loading tests that need no torch, with the oldest and newest Python and `datasets`."""
    found = sorted(interpreters().items())
    session.log(f"Pythons: {', '.join(path for _, path in found)}.")
    if len(found) < 2:
        session.error("These tests need two Pythons, 3.9 and a newer one, and only one was found.")
    for (_, python), release in zip(found, (min(MATRIX, key=as_numbers), max(MATRIX, key=as_numbers))):
        folder = Path(session.create_tmp()) / release
        session.run(python, "-m", "venv", str(folder))
        inside = str(folder / "bin" / "python")
        session.run(inside, "-m", "pip", "install", "-q", *MATRIX[release], ".[loading]")
        session.run(inside, "-m", "pytest", "-m", "not once", *LOADING)
        shutil.rmtree(folder)


def as_numbers(release):
    return tuple(map(int, release.split(".")))


@nox.session
def docs(session):
    """Builds the pages, with the reference from docstrings. It neither installs nor imports the project."""
    session.install(*nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]["docs"])
    # A link to a missing page or heading is an error, but not with --quiet, which drops the warnings --strict counts.
    build = ["mkdocs", "build", "--strict", "--site-dir", session.create_tmp()]
    session.run(*build, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(python=False)  # in the environment of the README's commands
def torchvision(session):
    """Runs the tests that need torchvision, in that environment and with torchvision in a separate folder.

    On PyPI, torchvision is built for CUDA. Installed beside PyTorch without CUDA, it fails to import, and so does
    transformers.
    """
    if not NEWEST.exists():
        session.error("There is no .venv: run the first commands of CONTRIBUTING.md.")
    folder = str(Path(session.create_tmp()).absolute() / "packages")
    python = str(NEWEST)
    session.run(python, "-m", "pip", "install", "--no-deps", "--target", folder, "-r", ".ci/torchvision.txt")
    session.run(python, "-m", "pytest", "-n", "0", "tests/test_torchvision.py", env={"MLT_S_TORCHVISION": folder})
    shutil.rmtree(folder)


@nox.session
@nox.parametrize("release", list(MATRIX), ids=list(MATRIX))
def matrix(session, release):
    """Installs the project with one release of `datasets` and runs the tests that depend on it."""
    if release == installed(NEWEST):
        session.log(f"The README's commands installed datasets {release} in .venv, and all tests run there.")
        return
    share(session)
    session.install(*MATRIX[release], ".[matrix]")
    # A set built with the newest version must open in the oldest.
    env = {"MLT_S_BUILD_WITH": str(NEWEST)} if NEWEST.exists() else {}
    left_out = [f"--ignore={path}" for path in LEFT_OUT]
    session.run("pytest", "-m", "not once", *left_out, *session.posargs, env=env)
    if release == "3.6.0":
        run_datasets_cli(session)
    # About 800 MB each; that of a failed session is kept for debugging.
    shutil.rmtree(session.virtualenv.location)


def share(session):
    """Lets a session import PyTorch and the packages of SHARED, which the first session installs.

    pip treats them as installed, and installs their other dependencies with the release of `datasets`.
    """
    torch = Path(".ci/torch.txt").read_text().strip()
    folder = (session.cache_dir / re.sub(r"\W+", "-", f"shared {torch}")).absolute()
    if not folder.exists():
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        session.install(torch, *SHARED, "--no-deps", "--target", str(part))
        part.rename(folder)
    (packages,) = Path(session.virtualenv.location).glob("lib/python*/site-packages")
    (packages / "shared.pth").write_text(str(folder))


def run_datasets_cli(session):
    """Checks the script with the tool of `datasets` itself, on a copy, because the tool may write beside the script."""
    copy = Path(session.create_tmp())
    for name in SCRIPT_FILES:
        shutil.copy(name, copy)
    sample = shutil.copytree("mlt_s_tools/sample", copy / "sample", dirs_exist_ok=True)
    command = ["datasets-cli", "test", str(copy / "mlt_s.py"), "--data_dir", str(sample), "--all_configs"]
    session.run(*command, "--trust_remote_code", env={"HF_HOME": str(copy / "cache")})
