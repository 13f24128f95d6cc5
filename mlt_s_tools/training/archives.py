"""Random access to the archives: nothing is prepared, and each pair is read when it is asked for."""

from __future__ import annotations

import copy
import operator
import os
from collections.abc import Callable, Sequence
from typing import Any

import mlt_s


class ArchiveDataset:
    """The examples of a split by index, each read from the archives when it is asked for.

    It needs no preparation and no disk space, like a stream, and it has a length and indices, like a prepared set. So
    samplers work as for any map-style data set: a `Trainer` reshuffles in each epoch, resumes in the middle of an epoch
    without rereading what was seen, and gives each process its own part with the same number of steps. (With an
    `IterableDataset`, a plain `Trainer` resumes by reading and decoding everything again, and its processes can have
    unequal numbers of batches; tested with transformers 5.23 and accelerate 1.15. `TextTrainer` does neither.)

    The copies in the workers of a `DataLoader`, forked or spawned, share no open file.

    For remote archives, use workers. All members of a batch are fetched at once, but the next batch is not known before
    it is asked for. Without workers, each batch waits for a round trip; with workers, other batches are decoded
    meanwhile. (A stream knows what comes next and fetches it while it decodes, even without workers.)

    Args:
        data_dir: the folder of the archives, or an fsspec address, as for the loader.
        split: "train" or "validation".
        transform: called with each example, a dict with the columns of the configuration; returns the example. Without
            a transform, examples have `image_id`, `image` as a `PIL.Image` of mode "RGB", and `label` as a `PIL.Image`
            of mode "L", or None if there is no label map (`unlabelled=True`). A transform with a true attribute
            `decodes`, as those of this package have, gets `image` and `label` as dicts of `bytes` and `path`, and
            decodes them itself.
        config: "segmentation", "words" or "labels".
        options: options of the loader, see `mlt_s.MltSConfig`: `label_maps`, `missing_images`, `unlabelled`,
            `text_value`; for remote archives also `token` and `storage_options`.

    Attributes:
        pairs: a list of `mlt_s.Pair`, in the order of the examples.
        features: the columns, as a prepared set has them.

    Raises:
        ValueError: `config` or an option is not valid.
        mlt_s.MltSError: nothing can be loaded from `data_dir`, or the split has no pairs; or, on access, an example
            cannot be read.
    """

    def __init__(
        self,
        data_dir: str | os.PathLike[str],
        split: str,
        transform: Callable[[dict[str, Any]], Any] | None = None,
        config: str = "segmentation",
        **options: Any,
    ) -> None:
        builder = mlt_s.MltS(config_name=config, data_dir=data_dir, **options)
        found = builder.pairs()
        if split not in found:
            raise mlt_s.MltSError(f"There is no pair of the split {split!r} in {data_dir}, only of {', '.join(found)}.")
        self.pairs = found[split]
        self.features = builder.info.features
        self.transform = transform
        self._remote_options = builder.config.remote_options

    def with_transform(self, transform: Callable[[dict[str, Any]], Any] | None) -> ArchiveDataset:
        """The same examples with another transform, or without one (None). The archives are not listed again."""
        other = copy.copy(self)
        other.transform = transform
        return other

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Any:
        """The example of a number: an int, or what Python takes for one (of NumPy, a tensor of one); -1 is the last.

        Raises:
            TypeError: it is a slice, a list or anything else. Several of them are `torch.utils.data.Subset`, which
                reads none.
            IndexError: there are fewer examples.
        """
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """The examples with these indices, as a `DataLoader` asks for a batch: remote ones are fetched at once."""
        pairs = [self.pairs[self._number(index)] for index in indices]
        read = mlt_s.read_examples(pairs, self._remote_options, len(pairs))
        return [self._given(pair, files) for files, pair in zip(read, pairs)]

    def _number(self, index: Any) -> int:
        try:
            number = operator.index(index)
        except TypeError:
            several = range(*index.indices(len(self))) if isinstance(index, slice) else "indices"
            raise TypeError(
                f"An ArchiveDataset takes one integer, not a {type(index).__name__}. "
                f"torch.utils.data.Subset(dataset, {several}) is a data set of several examples; "
                f"[dataset[i] for i in {several}] reads them."
            ) from None
        if not -len(self) <= number < len(self):
            raise IndexError(f"There is no example {number}: there are {len(self):,}, from 0 on.")
        return number

    def _given(self, pair: mlt_s.Pair, files: dict[str, Any]) -> Any:
        """Applies the transform to an example as `mlt_s.read_example` returns it."""
        try:
            decodes = getattr(self.transform, "decodes", False)
            example = files if decodes else self.features.decode_example(files)
            return example if self.transform is None else self.transform(example)
        except MemoryError:
            raise
        except Exception:
            self._refuse_damaged(pair, files)
            raise

    def _refuse_damaged(self, pair: mlt_s.Pair, files: dict[str, Any]) -> None:
        """Names the file of an example that cannot be decoded; Pillow's own errors do not."""
        for column, copies in (("image", pair.image), ("label", pair.label)):
            if files.get(column):
                try:
                    self.features[column].decode_example(files[column])
                except Exception as error:
                    raise mlt_s.MltSError(
                        f"{copies[0]} is cut off or damaged in its pixels: {error}. Fetch it again."
                    ) from error
