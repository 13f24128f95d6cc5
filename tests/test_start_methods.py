"""Scripts with the guard of docs/, where processes are not forked: on macOS, on Windows, from Python 3.14 on."""

import re

import forks
import pytest
from archives import mlt
from conftest import FORKSERVER_PRELOAD, ROOT
from pages import blocks

pytestmark = pytest.mark.once

GUARD = 'if __name__ == "__main__":\n'
GUARDED = [block.code for block in blocks("python") if GUARD in block.code]

# What a user starts processes with: workers over the archives and over a stream, with a transform of their own, and, in
# a script that needs no PyTorch, processes that prepare. `multiprocess` is what the library starts its own with.
TRANSFORM = """
import mlt_s
import numpy as np
from datasets import load_dataset

def transform(example):
    return {"image_id": example["image_id"], "text": int((np.asarray(example["label"]) == 1).sum())}

def show(rows):
    print(sorted((row["image_id"], row["text"]) for row in rows))
"""
TRAIN = """
from torch.utils.data import DataLoader
from mlt_s_tools.training import ArchiveDataset

def main():
    archives = ArchiveDataset("~/mlt", "train", transform)
    stream = load_dataset("mlt_s", data_dir="~/mlt", split="train", streaming=True).map(transform)
    for dataset in archives, stream:
        show(DataLoader(dataset, batch_size=None, num_workers=1))

if __name__ == "__main__":
    main()
"""
PREPARE = """
def main():
    show(map(transform, load_dataset("mlt_s", data_dir="~/mlt", split="train", num_proc=2)))

if __name__ == "__main__":
    main()
"""


def lines_of(script, folder, method):
    """What a script file prints in which processes are started by this method."""
    mlt(folder / "mlt")
    chosen = "".join(
        f"    import {module}\n    {module}.set_start_method({method!r})\n"
        f"    {module}.set_forkserver_preload({FORKSERVER_PRELOAD})\n"
        for module in ("multiprocessing", "multiprocess")
    )
    assert script.count(GUARD) == 1
    (folder / "script.py").write_text(script.replace(GUARD, GUARD + chosen), encoding="utf-8")
    (done,) = forks.run_script(folder / "script.py", folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_pages_show_a_guard_under_which_workers_start(tmp_path):
    (block,) = GUARDED
    (line,) = lines_of(block, tmp_path, "forkserver")
    assert sorted(re.findall(r"img_\d", line)) == [f"img_{n}" for n in range(1, 6)]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_archives_stream_and_preparing_under_the_guard(tmp_path, method):
    archives, stream = lines_of(TRANSFORM + TRAIN, tmp_path, method)
    (prepared,) = lines_of(TRANSFORM + PREPARE, tmp_path, method)
    assert archives == stream == prepared
    assert re.findall(r"img_\d", archives) == [f"img_{n}" for n in range(1, 6)]
    assert all(int(count) > 0 for count in re.findall(r", (\d+)\)", archives))


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_have_the_guard(path):
    text = path.read_text(encoding="utf-8")
    assert text.rstrip().endswith((GUARD + "    main()", GUARD + "    sys.exit(main())"))
