"""Sharing the loader itself: installed from a git address, or a repository of the Hub that holds the script."""

import os
import subprocess
import sys

import forks
import pytest
from archives import mlt
from conftest import ROOT, VERSION, run_python
from hub import Hub

LOADER = ("mlt_s.py", "dataset_infos.json", "README.md")


@pytest.mark.once
def test_it_installs_from_a_git_address(tmp_path):
    """With what is in the working tree, committed to a repository of the test's own."""
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    for name in tracked.stdout.splitlines():
        if (ROOT / name).exists():
            (tmp_path / "loader" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "loader" / name).write_bytes((ROOT / name).read_bytes())
    identity = ["-c", "user.name=ann", "-c", "user.email=ann@example.org", "-c", "init.defaultBranch=main"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "loader"]):
        subprocess.run(["git", *identity, *command], cwd=tmp_path / "loader", check=True)
    address, target = f"git+file://{tmp_path / 'loader'}", tmp_path / "installed"
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, address], check=True)
    mlt(tmp_path / "mlt")
    code = (
        "import mlt_s, mlt_s_tools.hub, mlt_s_tools.check, mlt_s_tools.looking.page\n"
        "from datasets import load_dataset\n"
        'ds = load_dataset("mlt_s", data_dir="mlt", cache_dir="cache"); print(len(ds["train"]), mlt_s.__file__)\n'
        "mlt_s_tools.looking.page._source('page.html')\n"
    )
    done = run_python(code, tmp_path, {**os.environ, "PYTHONPATH": str(target)})
    assert done.stdout.strip().endswith(f"5 {target / 'mlt_s.py'}"), done.stderr
    assert (target / "mlt_s_tools" / "sample" / "MLT_S_labels.zip").exists()


@pytest.mark.parametrize("name", ["lab/mlt_s", "lab/mlt-s-loader"])
def test_as_a_script_of_the_hub_its_name_decides(tmp_path, name):
    mlt(tmp_path / "mlt")
    code = (
        "import datasets; datasets.config.USE_PARQUET_EXPORT = False\n"
        f'ds = datasets.load_dataset("{name}", data_dir="mlt", trust_remote_code=True); print(len(ds["train"]))'
    )
    with Hub() as hub:
        hub.put(name, {file: (ROOT / file).read_bytes() for file in LOADER})
        done = forks.python(code, env={**hub.environment(tmp_path / "home"), "PYTHONPATH": ""}, cwd=tmp_path)
    if name == "lab/mlt_s" and VERSION < (4, 0):
        assert done.stdout.strip().endswith("5"), done.stderr
    elif name == "lab/mlt_s":
        assert "RuntimeError: Dataset scripts are no longer supported, but found mlt_s.py" in done.stderr
    else:
        assert "Error" in done.stderr and done.stdout == ""
