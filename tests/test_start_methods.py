"""Scripts with the guard of docs/, where processes are not forked: on macOS, on Windows, from Python 3.14 on."""

import os
import re
import subprocess
import sys

import pytest
from archives import mlt
from conftest import ROOT
from pages import blocks

pytestmark = pytest.mark.once

GUARD = 'if __name__ == "__main__":\n'
GUARDED = [block.code for block in blocks("python") if GUARD in block.code]

# All that a user starts processes with: workers over the archives and over a stream, with a transform of their own, and
# processes that prepare. `multiprocess` is what the library starts its own with.
SCRIPT = """
import mlt_s
import numpy as np
from datasets import load_dataset
from torch.utils.data import DataLoader
from mlt_s_tools.training import ArchiveDataset

def transform(example):
    return {"image_id": example["image_id"], "text": int((np.asarray(example["label"]) == 1).sum())}

def main():
    archives = ArchiveDataset("~/mlt", "train", transform)
    stream = load_dataset("mlt_s", data_dir="~/mlt", split="train", streaming=True).map(transform)
    prepared = load_dataset("mlt_s", data_dir="~/mlt", split="train", num_proc=2)
    for dataset in archives, stream:
        print(sorted((row["image_id"], row["text"]) for row in DataLoader(dataset, batch_size=None, num_workers=2)))
    print(sorted((row["image_id"], row["text"]) for row in map(transform, prepared)))

if __name__ == "__main__":
    main()
"""


def lines_of(script, folder, method):
    """What a script file prints in which processes are started by this method."""
    mlt(folder / "mlt")
    chosen = "".join(
        f"    import {module}\n    {module}.set_start_method({method!r})\n"
        for module in ("multiprocessing", "multiprocess")
    )
    assert script.count(GUARD) == 1
    (folder / "script.py").write_text(script.replace(GUARD, GUARD + chosen), encoding="utf-8")
    environment = {**os.environ, "HOME": str(folder), "HF_HOME": str(folder / "hf"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "script.py"], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_pages_show_a_guard_under_which_workers_start(tmp_path):
    (block,) = GUARDED
    (line,) = lines_of(block, tmp_path, "forkserver")
    assert sorted(re.findall(r"img_\d", line)) == [f"img_{n}" for n in range(1, 6)]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_archives_stream_and_preparing_under_the_guard(tmp_path, method):
    archives, stream, prepared = lines_of(SCRIPT, tmp_path, method)
    assert archives == stream == prepared
    assert re.findall(r"img_\d", archives) == [f"img_{n}" for n in range(1, 6)]
    assert all(int(count) > 0 for count in re.findall(r", (\d+)\)", archives))


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_have_the_guard(path):
    text = path.read_text(encoding="utf-8")
    assert text.rstrip().endswith((GUARD + "    main()", GUARD + "    sys.exit(main())"))
