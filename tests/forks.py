"""Runs code in processes of its own that are copies of one that has imported the libraries, which takes seconds.

A copy is like a fresh process in what counts: it has imported nothing of this project, and has its own standard output,
folder and environment. Where a test sets what `datasets` and `huggingface_hub` read as they are imported, `python` runs
its code: it copies a process that has imported neither, only what both import.
"""

import functools
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Optional

import mlt_s

# With what they import only when it is needed, which each copy would import anew.
_LIBRARIES = (
    *("datasets.distributed", "torch.utils.data", "transformers", "accelerate"),
    *("scipy.io", "torchdata.stateful_dataloader"),
)
# What takes long of what `datasets` and `huggingface_hub` import, which reads no variable that a test sets.
_BENEATH = (
    *("pandas", "pyarrow.dataset", "pyarrow.parquet", "aiohttp", "httpx", "httpx2", "requests", "multiprocess.pool"),
    *("PIL.Image", "anyio", "filelock", "truststore", "unittest.mock", "xml.etree.ElementTree", "xxhash", "yaml"),
)

# Each job is forked off: once, or once for each of several processes that PyTorch connects, as `torchrun` starts them.
# What runs is in a module of the name __main__: that of a file, or, as of `python -c`, without one.
_SERVER = """
import atexit, gc, importlib, json, os, runpy, signal, socket, sys, tempfile, traceback, types

for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
if "transformers" in sys.modules:  # its parts are imported when they are asked for
    from transformers import AutoImageProcessor, SegformerForSemanticSegmentation, SegformerImageProcessor, Trainer
if "PIL.Image" in sys.modules:
    sys.modules["PIL.Image"].preinit()  # the usual formats, each a module
assert "mlt_s" not in sys.modules
gc.collect()
gc.freeze()  # each copy that collected garbage would go through all of the libraries, and write to their memory


def statuses(children):
    "Exit statuses. Where one process fails, the others, which may wait for it, are ended."
    ended = {}
    while len(ended) < len(children):
        pid, status = os.wait()
        ended[pid] = os.waitstatus_to_exitcode(status)
        if ended[pid]:
            for other in set(children) - set(ended):
                os.kill(other, signal.SIGKILL)
    return [ended[pid] for pid in children]


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def connected(rank, processes, port):
    ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
    return {**{name: str(value) for name, value in ranks.items()}, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def serve():
    for line in sys.stdin:
        job, children = json.loads(line), []
        several, port = job["processes"] > 1, free_port()
        for rank in range(job["processes"]):
            children.append(os.fork())
            if not children[-1]:
                return job, rank, connected(rank, job["processes"], port) if several else {}
        print(json.dumps(statuses(children)), flush=True)
    sys.exit()


print("ready", flush=True)
job, rank, environment = serve()
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
for number, name in (1, "stdout"), (2, "stderr"):
    os.dup2(os.open(f"{job['output']}/{name}-{rank}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
os.chdir(job["folder"])
if job["environment"] is None:
    os.environ.update(HOME=job["folder"], PYTHONPATH=job["path"], **environment)
else:
    os.environ.clear()
    os.environ.update(job["environment"])
    tempfile.tempdir = None  # its own variables name the folder of temporary files
sys.path[:0] = [job["folder"], *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
sys.argv = [job["script"] or "-c", *job["arguments"]]
if "torch" in sys.modules:
    sys.modules["torch"].manual_seed(0)  # models that begin with random weights are the same in each run of a test
code = 0
try:
    if job["script"]:
        runpy.run_path(job["script"], run_name="__main__")
    else:
        sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(job["code"], "<code>", "exec"), vars(sys.modules["__main__"]))
except SystemExit as end:
    code = end.code if isinstance(end.code, int) else int(end.code is not None)
    if code and not isinstance(end.code, int):
        print(end.code, file=sys.stderr)
except BaseException:
    code = 1
    traceback.print_exc()
atexit._run_exitfuncs()
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)  # without taking the libraries down, which takes longer than most of the code
"""


class Done(NamedTuple):
    """What a process did, as of `subprocess.run`."""

    returncode: int
    stdout: str
    stderr: str


def run(code: str, folder: Path, *arguments: object) -> Done:
    """Runs code as `python -c` does, with this working and home directory."""
    (done,) = _server(_LIBRARIES).run(folder, arguments, code=code)
    return done


def python(code: str, *arguments: object, env: Mapping[str, str], cwd: Optional[Path] = None) -> Done:
    """Runs code as `subprocess.run([sys.executable, "-c", code, ...])` does, with these variables and no others."""
    (done,) = _server(_BENEATH).run(cwd or os.getcwd(), arguments, code=textwrap.dedent(code), environment=dict(env))
    return done


def run_script(script: Path, folder: Path, *arguments: object, processes: int = 1) -> list[Done]:
    """Runs a file with this working and home directory, in one process or as `torchrun` does in several, by rank."""
    return _server(_LIBRARIES).run(folder, arguments, script=script, processes=processes)


class _Server:
    def __init__(self, folder: Path, modules: list[str]):
        self.folder = folder
        environment = {**os.environ, "HF_HOME": str(folder / "hf")}
        for name in ("HF_MODULES_CACHE", "PYTHONPATH"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, json.dumps(modules)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment,
        )
        assert self.process.stdout.readline() == "ready\n"

    def run(
        self, folder, arguments, code="", script: Optional[Path] = None, processes=1, environment=None
    ) -> list[Done]:
        with tempfile.TemporaryDirectory(dir=self.folder) as output:
            job = {
                "code": code,
                "script": script and str(script),
                "arguments": list(map(str, arguments)),
                "folder": str(folder),
                "path": os.path.dirname(mlt_s.__file__),  # of the one that is tested, installed or not
                "output": output,
                "processes": processes,
                "environment": environment,
            }
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
            codes = json.loads(self.process.stdout.readline())
            said = [[Path(output, f"{name}-{rank}") for name in ("stdout", "stderr")] for rank in range(processes)]
            return [Done(of, *(path.read_text(encoding="utf-8") for path in paths)) for of, paths in zip(codes, said)]


@functools.cache
def _server(libraries: tuple) -> _Server:
    """The one of this process of tests; it ends when its standard input does."""
    folder = Path(tempfile.mkdtemp(dir=os.environ["HF_HOME"]))  # of the session, which removes it
    return _Server(folder, [name for name in libraries if importlib.util.find_spec(name.split(".")[0])])
