"""More rounds of what the tests make a few of, by hand: `python tests/rounds.py WHAT --rounds N --seed S`.

records   one value of a build's manifest, of a weak archive's record or of a check's report is another one
together  three processes of `mlt-s weak label` write one archive at a time
killed    while `load_dataset` prepares with `num_proc=2`, one of its processes is killed, or Ctrl-C is pressed
"""

import argparse
import contextlib
import io
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from archives import add_words, mlt
from test_records import damaged, with_record

from mlt_s_tools.cli import main
from mlt_s_tools.weak import archive

LIMIT = 30  # seconds: what takes longer hangs


def quietly(*words):
    """How a command ends: its status, or the error that it should not end in."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            return f"status {main([str(word) for word in words])}"
        except Exception as error:
            return f"traceback of {type(error).__name__}"


def records(folder, work, draw):
    """Runs of three commands on a record that is damaged, without end."""
    build = ["build", folder, work / "built", "--config", "labels", "--jobs", 1, "--no-verify"]
    label = ["weak", "label", folder, work / "weak.zip", "--model", "baseline"]
    page = ["preview", folder, "--count", 1, "--html", work / "page.html", "--check", work / "check.json"]
    for words in (build, label, ["check", folder, "--pixels", "--jobs", 1, "--json", work / "check.json"]):
        quietly(*words)
    manifest, report = (json.loads((work / name).read_text()) for name in ("built/manifest.json", "check.json"))
    record = archive.read_record(work / "weak.zip")
    while True:
        (work / "built" / "manifest.json").write_text(json.dumps(damaged(manifest, draw)))
        (work / "check.json").write_text(json.dumps(damaged(report, draw)))
        with_record(work / "weak.zip", json.dumps(damaged(record, draw)))
        for words in (build, label, page):
            yield f"{words[0]}: {quietly(*words)}"


def together(folder, work, draw):
    """Ends of three processes that label into one archive at a time, without end."""
    label = ["weak", "label", folder, work / "weak.zip", "--model", "baseline"]
    command = [sys.executable, "-m", "mlt_s_tools.cli", *label]
    while True:
        several = []
        for _ in range(3):
            several.append(subprocess.Popen([*map(str, command)], stdout=-1, stderr=-1, text=True))
            time.sleep(0.3 * draw.random())
        for one in several:
            try:
                out, said = one.communicate(timeout=LIMIT)
                yield f"status {one.returncode}: {'done already' if 'done already' in out else said[-60:] or 'made'}"
            except subprocess.TimeoutExpired:
                one.kill()
                yield "hung"
        (work / "weak.zip").unlink(missing_ok=True)
        yield "archives alone" if not list(work.iterdir()) else f"left: {[path.name for path in work.iterdir()]}"


def killed(folder, work, draw):
    """Ends of preparing with two processes, of which one is killed, or all of which Ctrl-C reaches, without end."""
    call = "datasets.load_dataset('mlt_s', data_dir=sys.argv[1], cache_dir=sys.argv[2], num_proc=2)"
    mlt(folder, train=400, validation=2)
    for number in itertools.count():
        command = [sys.executable, "-c", f"import sys, datasets, mlt_s; {call}", folder, work / str(number)]
        loading = subprocess.Popen([*map(str, command)], stdout=-1, stderr=-1, text=True, start_new_session=True)
        while loading.poll() is None and len(children(loading)) < 2:
            time.sleep(0.01)
        time.sleep(draw.random())
        alive = children(loading)
        is_killed = bool(alive) and draw.random() < 0.5
        if is_killed:
            os.kill(alive[draw.randrange(len(alive))], signal.SIGKILL)
        elif loading.poll() is None:
            os.killpg(loading.pid, signal.SIGINT)
        yield f"{'killed' if is_killed else 'Ctrl-C'}: {ended(loading)}"


def children(process):
    """Process ids of the children of a process; none once it has ended. On Linux."""
    try:
        return [int(one) for one in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    except OSError:
        return []


def ended(process):
    """How a process and its children end by themselves or, where they hang, by Ctrl-C."""
    try:
        _, said = process.communicate(timeout=LIMIT)
        return f"status {process.returncode}: {said.strip().splitlines()[-1][:40] if process.returncode == 1 else ''}"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.communicate(timeout=LIMIT)
        return "hung, and ended by Ctrl-C"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return "hung for good"


def run():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("records", "together", "killed"))
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    of_a_round = {"records": (records, 3), "together": (together, 4), "killed": (killed, 1)}
    make, results = of_a_round[given.what]
    started, ends = time.monotonic(), Counter()
    with tempfile.TemporaryDirectory() as place:
        folder = add_words(mlt(Path(place) / "mlt", train=3, validation=2), range(1, 4), range(1, 3))
        work = Path(place) / "work"
        work.mkdir()
        for _, end in zip(range(given.rounds * results), make(folder, work, random.Random(given.seed))):
            ends[end] += 1
    print(f"{given.what}, seed {given.seed}: {given.rounds} rounds in {time.monotonic() - started:.0f} s")
    for end, count in ends.most_common():
        print(f"{count:7}  {end}")


if __name__ == "__main__":
    run()
