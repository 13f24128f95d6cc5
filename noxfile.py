"""The version matrix, which is the loading tests on every supported `datasets`, and the pages of docs/.

`nox` runs all of it, `nox -l` lists it.
"""

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
# transformers and matplotlib.
LEFT_OUT = ["tests/test_benchmarks.py", "tests/test_weak_network.py", "tests/test_weak_train.py"]
SCRIPT_FILES = ["mlt_s.py", "dataset_infos.json", "README.md"]
# With the newest release, which the README's commands install and run all tests on: .ci/run begins with them.
NEWEST = Path(".venv/bin/python").absolute()


def installed(python):
    """The version of `datasets` that an interpreter has; None where there is no such interpreter."""
    if not python.exists():
        return None
    code = "import importlib.metadata as m; print(m.version('datasets'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@nox.session
def docs(session):
    """Builds the pages, with the reference from the docstrings; nothing of the project is installed or imported."""
    session.install(*nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]["docs"])
    # A link to a page or heading that is not there is an error, but not with --quiet: it drops what --strict counts.
    build = ["mkdocs", "build", "--strict", "--site-dir", session.create_tmp()]
    session.run(*build, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
@nox.parametrize("release", list(MATRIX), ids=list(MATRIX))
def matrix(session, release):
    """Installs the project with one release of `datasets` and runs the tests that depend on it."""
    if release == installed(NEWEST):
        session.log(f"The README's commands have installed datasets {release} in .venv, and run all tests there.")
        return
    session.install("-r", ".ci/torch.txt", *MATRIX[release], ".[matrix]")
    # What the newest version builds has to open in the oldest.
    env = {"MLT_S_BUILD_WITH": str(NEWEST)} if NEWEST.exists() else {}
    left_out = [f"--ignore={path}" for path in LEFT_OUT]
    session.run("pytest", "-m", "not once", *left_out, *session.posargs, env=env)
    if release == "3.6.0":
        run_datasets_cli(session)
    # About 1 GB each, for torch; a failed one stays to be looked at.
    shutil.rmtree(session.virtualenv.location)


def run_datasets_cli(session):
    """Checks the script with the tool of `datasets` itself, on a copy because the tool may write beside the script."""
    copy = Path(session.create_tmp())
    for name in SCRIPT_FILES:
        shutil.copy(name, copy)
    sample = shutil.copytree("mlt_s_tools/sample", copy / "sample", dirs_exist_ok=True)
    command = ["datasets-cli", "test", str(copy / "mlt_s.py"), "--data_dir", str(sample), "--all_configs"]
    session.run(*command, "--trust_remote_code", env={"HF_HOME": str(copy / "cache")})
