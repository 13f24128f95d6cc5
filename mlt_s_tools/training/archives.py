"""The archives as a data set of random access: nothing is prepared, and a pair is read when it is its turn."""

from __future__ import annotations

import copy
import operator
import os
from collections.abc import Callable, Sequence
from typing import Any

import mlt_s


class ArchiveDataset:
    """The examples of a split by number, each read from its archives when it is asked for.

    It starts at once and takes no disk, as a stream does, and has a length and an order of numbers, as a prepared set
    has. So a sampler does what it does for any data set in memory: a `Trainer` shuffles anew in each epoch, resumes in
    the middle of one without reading what was seen, and gives each process its own part, of the same number of steps.
    (Over an `IterableDataset` a plain `Trainer` resumes by reading and decoding all that was seen, and its processes
    can have unequal numbers of batches; tried with transformers 5.23 and accelerate 1.15. `TextTrainer` does neither.)

    Copies of it in the workers of a `DataLoader`, forked or spawned, share no open file.

    Archives at an address are worth some workers: all members of a batch are fetched at once, but nobody knows the next
    batch before it is asked for. Without workers each batch waits for a round trip; with them, others are decoded
    meanwhile. (A stream knows what follows, and fetches it while a pair is decoded, without workers as well.)

    Args:
        data_dir: as for the loader: the folder of the archives, or an fsspec address.
        split: "train" or "validation".
        transform: called with each example, a dict with the columns of the configuration; what it returns is the
            example. By default that comes as it is: `image_id`, `image` as `PIL.Image` of mode "RGB" and `label` as one
            of mode "L", or None where there is no label map (`unlabelled=True`).
            One with an attribute `decodes` that is true, as the transforms of this package have, gets `image` and
            `label` as dicts of `bytes` and `path`, and decodes them.
        config: "segmentation", "words" or "labels".
        options: of the loader, as `mlt_s.MltSConfig` has them: `label_maps`, `missing_images`, `unlabelled`,
            `text_value`. For remote archives `token` and `storage_options`.

    Attributes:
        pairs: a list of `mlt_s.Pair`, in the order of the examples.
        features: the columns, as a prepared set has them.

    Raises:
        ValueError: `config` or an option is none of these.
        mlt_s.MltSError: nothing can be loaded from there, or nothing of the split; or, when it is asked for, an example
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
            raise mlt_s.MltSError(f"There is no pair of the split {split!r} in {data_dir}, but of {', '.join(found)}.")
        self.pairs = found[split]
        self.features = builder.info.features
        self.transform = transform
        self._remote_options = builder.config.remote_options

    def with_transform(self, transform: Callable[[dict[str, Any]], Any] | None) -> ArchiveDataset:
        """The same examples through another transform, or, for None, as they are: nothing is listed again."""
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
        """The examples of these numbers, by which a `DataLoader` asks for a batch: remote ones are fetched at once."""
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
        """What the transform makes of an example as `mlt_s.read_example` gives it."""
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
        """Names the file of an example that cannot be decoded: Pillow's own errors do not."""
        for column, copies in (("image", pair.image), ("label", pair.label)):
            if files.get(column):
                try:
                    self.features[column].decode_example(files[column])
                except Exception as error:
                    raise mlt_s.MltSError(
                        f"{copies[0]} is cut off or damaged in its pixels: {error}. Fetch it again."
                    ) from error
