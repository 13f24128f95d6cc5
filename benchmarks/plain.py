"""What people write by hand: the contenders without a library."""

import io
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any, Optional

from PIL import Image
from torch.utils.data import Dataset

from benchmarks.group import Figures, Transform


class PlainDataset(Dataset):
    """A PyTorch data set over unpacked files that pairs by name, as published loaders do.

    Args:
        folder: as `unpacking.unpack` leaves it.
        split: "train" or "validation".
        transform: of an example, a dict of `image`, `label` and `image_id`.
    """

    def __init__(self, folder: str, split: str, transform: Optional[Transform] = None) -> None:
        images, labels = (os.path.join(folder, split, kind) for kind in ("images", "labels"))
        image_of = {os.path.splitext(name)[0]: os.path.join(images, name) for name in os.listdir(images)}
        names = sorted((os.path.splitext(name)[0] for name in os.listdir(labels)), key=number_of)
        self.pairs = [(name, image_of[name], os.path.join(labels, f"{name}.png")) for name in names]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Any:
        image_id, image, label = self.pairs[index]
        values = Image.open(label)
        values.load()
        example = {"image_id": image_id, "image": Image.open(image).convert("RGB"), "label": values}
        return example if self.transform is None else self.transform(example)


def number_of(name: str) -> int:
    return int(re.sub(r"\D", "", name) or 0)


class BareLoop:
    """`zipfile` and Pillow, with nothing checked: no loader that decodes by Pillow can be faster.

    Args:
        images: paths of the archives of one split's images.
        labels: path of the archive of the label maps.
        called: how the folder of the split is called in it.
        part: which part of the pairs it goes over, from 0.
        parts: how many there are.

    Attributes:
        names: `image_id` of each pair, in order.
        size: bytes of all files, unpacked.
    """

    def __init__(self, images: Sequence[str], labels: str, called: str, part: int = 0, parts: int = 1) -> None:
        archives = [zipfile.ZipFile(path) for path in images]
        found = {
            os.path.splitext(entry.filename)[0]: (archive, entry)
            for archive in archives
            for entry in archive.infolist()
        }
        self._labels = zipfile.ZipFile(labels)
        maps = [entry for entry in self._labels.infolist() if called in entry.filename and not entry.is_dir()]
        maps.sort(key=lambda entry: number_of(os.path.basename(entry.filename)))
        names = [os.path.splitext(os.path.basename(entry.filename))[0] for entry in maps]
        self._pairs = [(name, *found[name], entry) for name, entry in zip(names, maps)][part::parts]
        self.names = [name for name, *_ in self._pairs]
        self.size = sum(entry.file_size for _, _, *entries in self._pairs for entry in entries)

    def __len__(self) -> int:
        return len(self._pairs)

    def files(self) -> Iterator[tuple[str, bytes, bytes]]:
        """`image_id`, the bytes of the image and those of the label map, of each pair."""
        for name, archive, image, label in self._pairs:
            yield name, archive.read(image), self._labels.read(label)

    def __iter__(self) -> Iterator[Figures]:
        return (decoded(*files) for files in self.files())


def decoded(image_id: str, image: bytes, label: bytes) -> Figures:
    """A pair of files as an example, both loaded by Pillow."""
    picture, values = Image.open(io.BytesIO(image)), Image.open(io.BytesIO(label))
    picture.load()
    values.load()
    return {"image_id": image_id, "image": picture, "label": values}
