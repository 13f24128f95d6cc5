"""One cache for the session, the ways to load, and no skipped test where CI runs."""

import functools
import gc
import importlib.util
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Optional

# Before `datasets` is imported, which reads them once. Processes that a test spawns import this file, too.
if multiprocessing.parent_process() is None:
    _HOME = tempfile.TemporaryDirectory(prefix="mlt_s_tests_")
    os.environ.update(HF_HOME=_HOME.name, HF_MODULES_CACHE=f"{_HOME.name}/modules", HF_HUB_DISABLE_TELEMETRY="1")
os.environ["HF_UPDATE_DOWNLOAD_COUNTS"] = "0"  # otherwise `load_dataset` asks a server, and waits where none answers
os.environ.pop("HF_DATASETS_CACHE", None)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # each core has a process of tests already
gc.disable()  # while libraries and tests are imported, which stay: pytest_collection_finish

import datasets  # noqa: E402
import pytest  # noqa: E402

import mlt_s  # noqa: E402

ROOT = Path(__file__).parents[1]
# `nox -s torchvision` runs it, and any run where torchvision is installed.
has_torchvision = os.environ.get("MLT_S_TORCHVISION") or importlib.util.find_spec("torchvision")
collect_ignore = [] if has_torchvision else ["test_torchvision.py"]
REAL = ROOT.parent / "shared" / "real"
VERSION = tuple(int(part) for part in datasets.__version__.split(".")[:2])

# What the process from which "forkserver" forks imports once for all workers; nothing of this project.
FORKSERVER_PRELOAD = ["datasets", "torch.utils.data"]
multiprocessing.set_forkserver_preload(FORKSERVER_PRELOAD)

# How a user gets at the data: by the registered name, by the class, and by the script where scripts run.
ROUTES = ("registered", "class") + (("script",) if VERSION < (4, 0) else ())


if VERSION < (4, 0):
    # For each builder these read its module anew, line by line, for 0.2 s: all of mlt_s.py, which stays as it is.
    import datasets.load
    import datasets.streaming

    @functools.cache
    def _imports(path: str, modified: int) -> tuple:
        return tuple(datasets.utils.py_utils.get_imports(path))

    def get_imports(path: str) -> list:
        return list(_imports(path, os.stat(path).st_mtime_ns))

    datasets.load.get_imports = datasets.streaming.get_imports = get_imports


class Loader:
    """`load_dataset` by one of the routes, with a cache of the test's own."""

    def __init__(self, route: str, cache: Path):
        self.route, self.cache = route, str(cache)

    def __call__(self, data_dir, config="segmentation", split=None, streaming=False, num_proc=None, **options):
        if data_dir is not None:
            options["data_dir"] = str(data_dir)
        if self.route == "class":
            builder = mlt_s.MltS(config_name=config, cache_dir=self.cache, **options)
            if streaming:
                return builder.as_streaming_dataset(split=split)
            builder.download_and_prepare(num_proc=num_proc)
            return builder.as_dataset(split=split)
        if self.route == "script":
            options["trust_remote_code"] = True
        path = "mlt_s" if self.route == "registered" else str(ROOT / "mlt_s.py")
        return datasets.load_dataset(
            path, config, split=split, streaming=streaming, num_proc=num_proc, cache_dir=self.cache, **options
        )


_getaddrinfo, _asked_for = socket.getaddrinfo, []


def _log_hosts(host, *arguments, **options):
    name = host.decode() if isinstance(host, bytes) else host
    if name not in (None, "localhost", "127.0.0.1", "::1"):
        _asked_for.append(name)
    return _getaddrinfo(host, *arguments, **options)


socket.getaddrinfo = _log_hosts


@pytest.fixture(autouse=True)
def nothing_leaves_the_machine():
    """Libraries that call home take any failure for an answer, so only the attempt tells."""
    _asked_for.clear()
    yield
    assert not _asked_for


# Without data_dir, the library lists the working directory first: that of a clone has a virtual environment in it.
@pytest.fixture(params=ROUTES)
def load(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Loader(request.param, tmp_path / "cache")


@pytest.fixture
def load_registered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Loader("registered", tmp_path / "cache")


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """In place of the network that ships, one by which text is what is dark."""
    from networks import write_network

    from mlt_s_tools import weak

    path = write_network(tmp_path / "shipped" / "network.npz")
    monkeypatch.setattr(weak, "SHIPPED", str(path))
    return path


def run_python(code: str, folder: Path, environment: dict) -> subprocess.CompletedProcess:
    """Runs code in a fresh process, in this folder."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


# How a process of several ends, as code for a script of its own.
LEAVE = """
import time
import torch

if torch.distributed.is_initialized():
    torch.distributed.barrier()  # a process that ends while others still talk to it may be aborted
    time.sleep(1)  # and one that ends while gloo lets go of the barrier may wait for ever
    torch.distributed.destroy_process_group()
"""


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests wait now and then, for servers and for the processes that they start."""
    from mlt_s_tools.workers import cores

    return cores() + 1


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> Optional[bool]:
    """Leaves the tests of benchmarks/ to a command that names their file, as `.ci/run` does.

    They run each contender once, which takes a minute.
    """
    named = any(collection_path == config.invocation_params.dir / word.split("::")[0] for word in config.args)
    return True if collection_path.name == "test_benchmarks.py" and not named else None


# The files that take longest, which are dealt out first: a process that begins with one at the end works on alone.
LONGEST = "page example trainer readme streaming build weak_train start_methods any_processes hurts resume"


def pytest_collection_modifyitems(items):
    rank = {f"test_{name}.py": at for at, name in enumerate(LONGEST.split())}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


def pytest_collection_finish():
    """Spares the garbage collector the libraries and tests, which stay, and so the processes that are forked off."""
    gc.enable()
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session, exitstatus):
    """In CI a skipped test is a failed run: everything that the tests need is there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")  # None in a worker of pytest-xdist
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
