"""Whether the loader keeps a GPU busy, and with how many workers: `python -m benchmarks.gpu [OUT]`.

Trains SegFormer-B0 and B2 from random weights on crops of 512 x 512 in bf16, fed from zips, from a prepared set and
from a server that is 50 ms away, by 4, 8 and 16 workers each. Beside it, the same steps on one batch that stays on the
device: no loader can be faster. Ends within eight minutes, prints a table and what to set, and writes OUT/gpu.json.
"""

import argparse
import functools
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Optional

import datasets
import torch
from torch.utils.data import DataLoader, RandomSampler
from transformers import SegformerConfig, SegformerForSemanticSegmentation

import mlt_s
from benchmarks import machine, mlt_like
from benchmarks.server import Far
from mlt_s_tools.training import ArchiveDataset, TrainTransform, collate

MODELS = {  # as in the paper, arXiv 2105.15203, Table 6; the first is the library's default
    "B0": {},
    "B2": {"hidden_sizes": [64, 128, 320, 512], "depths": [3, 4, 6, 3], "decoder_hidden_size": 768},
}
SOURCES = ("zips", "prepared", "remote")
WORKERS = (4, 8, 16)
BUDGET = 450  # seconds, with drawing the archives and preparing them
ENOUGH = 0.95  # of what the model alone gives
_SHARE = 0.01  # of the counts of MLT: 55 training pairs, which are drawn from again and again
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as SegFormer takes them


def measured(
    data_dir: Path,
    scratch: Path,
    models: dict[str, dict[str, Any]] = MODELS,
    workers: Sequence[int] = WORKERS,
    size: int = 512,
    batch: int = 16,
    steps: int = 40,
    warm_up: int = 8,
    budget: float = BUDGET,
) -> dict[str, Any]:
    """Trains in all cells for which there is time.

    Args:
        data_dir: a `Path` to a folder of archives.
        scratch: a `Path` to a folder for the prepared set.
        models: name -> options of a `SegformerConfig`.
        workers: numbers of workers of the loader.
        size: of the crops, in pixels.
        batch: images a step.
        steps: that count, of each cell.
        warm_up: steps before them.
        budget: seconds. A cell that would not end by then is left out, and one that does not is cut short.

    Returns:
        A dict: `device`, `batch`, `size`; `ceilings`, images a second of each model alone; `cells`, a dict each of
        `model`, `source`, `workers`, `images`, `seconds`, `images_per_second` and `waiting`, the share of the seconds
        that the device waited for data; `left_out`, (model, source, workers) of the others.
    """
    deadline = time.perf_counter() + budget
    transform = TrainTransform(_MEAN, _STD, (size, size))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    steps_of = {name: _training_step(options, device) for name, options in models.items()}
    batches = functools.partial(_batches, batch=batch, count=warm_up + steps, device=device)
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
        "batch": batch,
        "size": size,
        "ceilings": {},
        "cells": [],
        "left_out": [],
    }
    (kept,) = _batches(ArchiveDataset(data_dir, "train", transform), 0, batch, 1, device)
    kept = _on(device, kept)
    for name, step in steps_of.items():
        seconds, _, done = _timed(step, [kept] * (warm_up + steps), warm_up, device, deadline)
        found["ceilings"][name] = done * batch / seconds if done else None
    longest = 0.0
    for source in SOURCES:
        if time.perf_counter() + longest < deadline:
            examples = _OPENED[source](data_dir, scratch, transform)
        for name, step in steps_of.items():
            for number in workers:
                began = time.perf_counter()
                done = 0
                if began + longest < deadline:
                    seconds, waited, done = _timed(step, batches(examples, number), warm_up, device, deadline)
                    longest = max(longest, time.perf_counter() - began)
                if not done:
                    found["left_out"].append((name, source, number))
                    continue
                cell = {"model": name, "source": source, "workers": number, "images": done * batch, "seconds": seconds}
                rate = {"images_per_second": done * batch / seconds, "waiting": waited / seconds}
                found["cells"].append({**cell, **rate})
    return found


def _zips(data_dir: Path, scratch: Path, transform: TrainTransform) -> ArchiveDataset:
    return ArchiveDataset(data_dir, "train", transform)


def _prepared(data_dir: Path, scratch: Path, transform: TrainTransform) -> Any:
    prepared = datasets.load_dataset("mlt_s", data_dir=str(data_dir), split="train", cache_dir=str(scratch))
    return prepared.with_transform(transform)


def _remote(data_dir: Path, scratch: Path, transform: TrainTransform) -> ArchiveDataset:
    return ArchiveDataset(_server(data_dir).options[0]["data_dir"], "train", transform)


@functools.cache  # it serves as long as somebody holds it
def _server(data_dir: Path) -> Far:
    return Far("http", data_dir)


_OPENED = dict(zip(SOURCES, (_zips, _prepared, _remote)))


def _batches(examples: Any, workers: int, batch: int, count: int, device: torch.device) -> DataLoader:
    sampler = RandomSampler(examples, replacement=True, num_samples=batch * count)
    pinned = device.type == "cuda"
    return DataLoader(examples, batch, sampler=sampler, num_workers=workers, collate_fn=collate, pin_memory=pinned)


def _training_step(options: dict[str, Any], device: torch.device) -> Callable[[Any], None]:
    """A function that takes a batch on the device, and trains on it."""
    model = SegformerForSemanticSegmentation(SegformerConfig(num_labels=mlt_s.LABEL_MAP.num_classes, **options))
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-5)

    def step(batch: Any) -> None:
        with torch.autocast(device.type, torch.bfloat16):
            loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _timed(
    step: Callable[[Any], None], batches: Iterable[Any], warm_up: int, device: torch.device, deadline: float
) -> tuple[float, float, int]:
    """Seconds of the steps after the first few, how many of them the device waited for data, and how many steps."""
    began, waited, done = time.perf_counter(), 0.0, -warm_up
    asked = began
    for batch in batches:
        batch = _on(device, batch)
        _finish(device)  # what it waits for is data, and nothing that was left to do
        here = time.perf_counter()
        step(batch)
        _finish(device)
        if done >= 0:
            waited += here - asked
        done += 1
        asked = time.perf_counter()
        if done == 0:
            began = asked
        if asked > deadline:
            break
    return asked - began, waited, max(done, 0)


def _on(device: torch.device, batch: Any) -> dict[str, Any]:
    return {name: values.to(device, non_blocking=True) for name, values in batch.items()}


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def advice(found: dict[str, Any]) -> list[str]:
    """A line for each model and source: the fewest workers that give it `ENOUGH` of what it can take.

    Args:
        found: what `measured` returned.
    """
    lines = []
    for model, ceiling in found["ceilings"].items():
        for source in SOURCES:
            cells = [cell for cell in found["cells"] if (cell["model"], cell["source"]) == (model, source)]
            enough = [cell["workers"] for cell in cells if cell["images_per_second"] >= ENOUGH * ceiling]
            if enough:
                lines.append(f"{model} from {source}: num_workers={min(enough)}.")
            elif cells:
                best = max(cells, key=lambda cell: cell["images_per_second"])
                lines.append(
                    f"{model} from {source}: no number of workers is enough. With {best['workers']}, the best, the "
                    f"device waits {best['waiting']:.0%} of the time."
                )
    return lines


def table(found: dict[str, Any]) -> str:
    """Markdown: a row for each model alone, and for each cell."""
    rows = [
        f"{found['device']}, {found['batch']} crops of {found['size']} x {found['size']} a step, bf16.",
        "",
        "| model | from | workers | images/s | of the model alone | waiting |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for model, ceiling in found["ceilings"].items():
        if ceiling:
            rows.append(f"| {model} | one batch on the device | | {ceiling:.1f} | 1.00 | |")
        for cell in found["cells"]:
            if cell["model"] == model:
                rate = cell["images_per_second"]
                rows.append(
                    f"| {model} | {cell['source']} | {cell['workers']} | {rate:.1f} | {rate / ceiling:.2f} | "
                    f"{cell['waiting']:.0%} |"
                )
    left_out = [f"Left out, as the time was over: {' '.join(map(str, cell))}." for cell in found["left_out"]]
    return "\n".join([*rows, "", *left_out, *advice(found)])


def main(words: Optional[Sequence[str]] = None, **sizes: Any) -> dict[str, Any]:
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description=__doc__.split("\n\n")[0])
    parser.add_argument("out", nargs="?", type=Path, default=Path("."), help="folder for gpu.json (default: here)")
    parser.add_argument("--data-dir", type=Path, help="your own archives, in place of those that are drawn")
    given = parser.parse_args(words)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mlt_s_gpu_") as scratch:
        folder = given.data_dir
        if folder is None:
            folder = Path(scratch, "archives")
            mlt_like.make(folder, _SHARE)
        budget = sizes.pop("budget", BUDGET) - (time.perf_counter() - began)
        found = {"machine": machine.described(), **measured(folder, Path(scratch), budget=budget, **sizes)}
    print(table(found))
    (given.out / "gpu.json").write_text(json.dumps(found, indent=1) + "\n")
    return found


if __name__ == "__main__":
    datasets.disable_progress_bars()
    mlt_s.logger.setLevel("ERROR")  # the counts are not those of MLT
    main()
