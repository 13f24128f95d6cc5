"""Style and types, the pages of docs/, then the version matrix: the loading tests on every supported `datasets`.

`nox` runs the sessions in the order in which they stand here, `nox -l` lists them, `nox -s lint` is the quick one.
"""

import itertools
import os
import re
import shutil
import subprocess
from pathlib import Path

import nox

# Not uv: it ignores pip's own configuration, where a local folder of wheels or a mirror may be set.
nox.options.default_venv_backend = "virtualenv"
nox.options.stop_on_first_error = True

# Releases of `datasets` with the dependencies of their time; 2.21.0 stands on the lower bounds of requirements.txt.
FLOOR = ["huggingface_hub==0.24.0", "numpy==1.26.0", "pillow==10.4.0", "pyarrow<18", "fsspec<=2024.6.1"]
MATRIX = {
    "2.21.0": ["datasets==2.21.0", *FLOOR],
    "3.6.0": ["datasets==3.6.0", "huggingface_hub<1"],
    "4.0.0": ["datasets==4.0.0", "huggingface_hub<1"],
    "4.8.5": ["datasets==4.8.5"],
    "5.2.0": ["datasets==5.2.0"],
}
# These are marked "once" throughout, and import what the oldest versions cannot have beside them, or need not:
# transformers, matplotlib, OpenCV, simplejpeg and mlcroissant.
LEFT_OUT = [
    f"tests/test_{name}.py" for name in ("benchmarks", "croissant", "decoding", "gpu_benchmark", "word_network")
]
# What is large and the same for every release, beside PyTorch: sessions of the matrix share one copy.
SHARED = ["duckdb", "mpmath<1.4", "networkx", "playwright", "polars", "polars-runtime-32", "sympy"]
OLDEST_PYTHON = (3, 9)  # as pyproject.toml has it
# What loads, and what reads names, pixels and words: tests of these import no torch, which few Pythons have wheels for.
LOADING = [
    f"tests/test_{name}.py"
    for name in ("archives", "cache", "docstrings", "join", "label_sources", "loading", "pixels", "words")
]
SCRIPT_FILES = ["mlt_s.py", "dataset_infos.json", "README.md"]
# With the newest release, which the README's commands install and run all tests on: .ci/run begins with them.
NEWEST = Path(".venv/bin/python").absolute()


@nox.session
def lint(session):
    """Checks style, layout and types of the source.

    Beside the tools it installs only what ships types, and not PyTorch: mypy takes the rest for Any (pyproject.toml),
    here and wherever more is installed.
    """
    tools = nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]["lint"]
    requirements = Path("requirements.txt").read_text().splitlines()
    session.install(*tools, *(line for line in requirements if not line.startswith(("#", "datasets"))))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")


def installed(python):
    """The version of `datasets` that an interpreter has; None where there is no such interpreter."""
    if not python.exists():
        return None
    code = "import importlib.metadata as m; print(m.version('datasets'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def interpreters():
    """Path by version, (3, 9) for example, of the oldest and the newest Python that the project is for, found here.

    They are looked for in PATH and among those of pyenv; neither a link nor a shim counts that starts no Python.
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


@nox.session(python=False)  # it makes environments of its own, with other Pythons than nox's
def pythons(session):
    """Runs the loading tests that need no torch on the oldest and newest Python: oldest and newest `datasets` there."""
    found = sorted(interpreters().items())
    session.log(f"Pythons: {', '.join(path for _, path in found)}.")
    if len(found) < 2:
        session.error("One Python is here, and the tests are for two: the oldest, 3.9, and a newer one.")
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
    """Builds the pages, with the reference from the docstrings; nothing of the project is installed or imported."""
    session.install(*nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]["docs"])
    # A link to a page or heading that is not there is an error, but not with --quiet: it drops what --strict counts.
    build = ["mkdocs", "build", "--strict", "--site-dir", session.create_tmp()]
    session.run(*build, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(python=False)  # in the environment of the README's commands
def torchvision(session):
    """Tests what needs torchvision, which is installed beside that environment.

    On PyPI it is built for CUDA. Installed beside PyTorch without CUDA it fails to import, and so does transformers.
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
        session.log(f"The README's commands have installed datasets {release} in .venv, and run all tests there.")
        return
    share(session)
    session.install(*MATRIX[release], ".[matrix]")
    # What the newest version builds has to open in the oldest.
    env = {"MLT_S_BUILD_WITH": str(NEWEST)} if NEWEST.exists() else {}
    left_out = [f"--ignore={path}" for path in LEFT_OUT]
    session.run("pytest", "-m", "not once", *left_out, *session.posargs, env=env)
    if release == "3.6.0":
        run_datasets_cli(session)
    # About 800 MB each; a failed one stays to be looked at.
    shutil.rmtree(session.virtualenv.location)


def share(session):
    """Lets a session import PyTorch and the rest of SHARED, which the first one installs.

    pip takes them for installed, and installs what else they need with the release of `datasets`.
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
    """Checks the script with the tool of `datasets` itself, on a copy because the tool may write beside the script."""
    copy = Path(session.create_tmp())
    for name in SCRIPT_FILES:
        shutil.copy(name, copy)
    sample = shutil.copytree("mlt_s_tools/sample", copy / "sample", dirs_exist_ok=True)
    command = ["datasets-cli", "test", str(copy / "mlt_s.py"), "--data_dir", str(sample), "--all_configs"]
    session.run(*command, "--trust_remote_code", env={"HF_HOME": str(copy / "cache")})
