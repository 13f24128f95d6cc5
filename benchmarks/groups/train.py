"""Full epochs with the training transform at 512, in batches."""

import functools
import itertools
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.group import Action, Contender, Figures, Group, Transform
from benchmarks.groups.decode import BATCH
from benchmarks.paths import Stage

_COMPARED = 16  # examples, whose arrays are compared bit by bit between the contenders
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as SegFormer takes them


def _transform() -> Transform:
    from mlt_s_tools.training import TrainTransform

    return TrainTransform(_MEAN, _STD, (512, 512), seed=0)


def _epoch(examples: Any, workers: int) -> Action:
    from torch.utils.data import DataLoader

    from mlt_s_tools.training import collate

    digest = 0
    if not workers:  # with workers it is the same code
        for example in itertools.islice(
            (examples[at] for at in range(len(examples))) if hasattr(examples, "__len__") else examples, _COMPARED
        ):
            digest = zlib.crc32(example["labels"], zlib.crc32(example["pixel_values"], digest))

    def action() -> Figures:
        loader = DataLoader(examples, batch_size=BATCH, num_workers=workers, collate_fn=collate)
        return {"pairs": sum(len(batch["labels"]) for batch in loader), **({"digest": digest} if digest else {})}

    return action


class _OfPillow:
    """The transform as one of users' own, which gets pictures and no files: the extra "fast" is not asked then."""

    def __init__(self) -> None:
        self._transform = _transform()

    def __call__(self, example: Figures) -> Any:
        return self._transform(example)


def _archive_dataset(
    folder: str, transform: Callable[[], Transform], workers: int, stage: Stage, scratch: str
) -> Action:
    from mlt_s_tools.training import ArchiveDataset

    return _epoch(ArchiveDataset(getattr(stage, folder), "train", transform()), workers)


def _stream(decode: bool, workers: int, stage: Stage, scratch: str) -> Action:
    import datasets

    import mlt_s  # noqa: F401, makes the name known to `datasets`

    stream = datasets.load_dataset("mlt_s", data_dir=stage.few, split="train", streaming=True, cache_dir=scratch)
    stream = stream if decode else stream.decode(False)
    return _epoch(stream.map(_transform(), remove_columns=stream.column_names), workers)


def _plain(workers: int, stage: Stage, scratch: str) -> Action:
    from benchmarks.plain import PlainDataset

    return _epoch(PlainDataset(stage.few_unpacked, "train", _transform()), workers)


def _with_workers(
    name: str, title: str, begin: Callable[[int, Stage, str], Action], ours: bool
) -> Iterator[tuple[str, Contender]]:
    for workers in (0, 1, 2):
        counted = ("no worker", "1 worker", "2 workers")[workers]
        yield f"{name}_{workers}", Contender(f"{title}, {counted}", functools.partial(begin, workers), ours)


_zips = functools.partial(_archive_dataset, "few", _OfPillow)
_fast = functools.partial(_archive_dataset, "few", _transform)
GROUP = Group(
    "Training",
    "An epoch over the training pairs, with the same training transform (crops of 512 x 512, scale 0.5 to 2, colour, "
    f"one seed) in batches of {BATCH}, without a model. The arrays of the first {_COMPARED} examples of all are "
    'compared, bit by bit. Pillow decodes, except where the extra "fast" is named.',
    {
        **dict(_with_workers("archive_dataset", "this project: ArchiveDataset, zips", _zips, True)),
        "unpacked_0": Contender(
            "this project: ArchiveDataset, unpacked, no worker",
            functools.partial(_archive_dataset, "few_unpacked", _OfPillow, 0),
            ours=True,
        ),
        **dict(_with_workers("stream", "this project: stream, zips", functools.partial(_stream, True), True)),
        **dict(_with_workers("fast", "this project, extra fast: ArchiveDataset, zips", _fast, True)),
        "fast_unpacked_0": Contender(
            "this project, extra fast: ArchiveDataset, unpacked, no worker",
            functools.partial(_archive_dataset, "few_unpacked", _transform, 0),
            ours=True,
        ),
        "fast_stream_0": Contender(
            "this project, extra fast: stream, zips, no worker", functools.partial(_stream, False, 0), ours=True
        ),
        **dict(_with_workers("plain", "plain PyTorch Dataset, unpacked", _plain, False)),
    },
    figure="pairs_per_second",
    unit="pairs/s",
    against="plain_0",
)
