"""Finds and reads predicted masks of text: PNG files from any framework."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError

import mlt_s

if TYPE_CHECKING:
    import numpy.typing as npt

_NAMING = "Predictions are PNG files named like the images, such as img_1.png for img_1.jpg."


class Predictions:
    """The predictions in a folder or a zip, at any depth, by the names of their images.

    Case and Unicode form of names do not matter. Files other than PNG are ignored.

    Args:
        root: path of the folder or zip.

    Raises:
        mlt_s.MltSError: it is missing, cannot be read, holds no PNG file, or holds two of the same name.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._members: dict[str, mlt_s.Member] = {}
        for stem, member in sorted(_png_files(root), key=lambda found: str(found[1])):
            first = self._members.setdefault(mlt_s.name_key(stem), member)
            if first is not member:
                raise mlt_s.MltSError(
                    f"Two predictions for one image: {first} and {member}. Both splits have the same names: give a "
                    "folder with the predictions of one split."
                )
        if not self._members:
            raise mlt_s.MltSError(f"There are no predictions in {root}. {_NAMING}")

    def find(self, image_id: str) -> mlt_s.Member | None:
        """The prediction for an image; None if there is none."""
        return self._members.get(mlt_s.name_key(image_id))

    def extra(self, image_ids: Iterable[str]) -> list[mlt_s.Member]:
        """The predictions that match none of these images, in the order of their names."""
        wanted = {mlt_s.name_key(image_id) for image_id in image_ids}
        names = sorted(self._members.keys() - wanted, key=mlt_s.number_order)
        return [self._members[name] for name in names]


def _png_files(root: str | os.PathLike[str]) -> Iterator[tuple[str, mlt_s.Member]]:
    """Stem and member of every PNG file."""
    root = mlt_s.absolute_address(root)
    if not os.path.exists(root):
        raise mlt_s.MltSError(f"There is nothing at {root}: give the folder, or the zip, of the predictions.")
    for file, parts in mlt_s.walk(root, {}):
        names = [(parts[-1], file)]
        if file.address == root and mlt_s.is_zip(root):
            names = [(member.name, member) for member in mlt_s.archive_members(file, {}) if member.name]
        for path, member in names:
            *folders, name = path.replace("\\", "/").split("/")
            stem, _, extension = name.rpartition(".")
            if stem and extension.lower() == "png" and not any(map(mlt_s.is_hidden, (*folders, name))):
                yield stem, member


def read_prediction(member: mlt_s.Member) -> npt.NDArray[np.bool_]:
    """The text of a prediction: bool (height, width).

    Text is 1, or 255 in a file without 1. The file may be greyscale of up to 8 bits, a palette image (by its indices,
    or by its colours if only these are 0 and 255), or RGB with equal channels.

    Raises:
        mlt_s.MltSError: it is damaged or not a PNG file, holds other values or colours, or its palette contradicts its
            indices.
    """
    data = mlt_s.read_member(member, {})
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            image.load()
            values = mlt_s.single_channel(image, depth=data[24])  # the bit depth in the header
            if image.mode == "P":
                mlt_s.check_palette(image)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged pictures; or other values
        reason = "it is not a PNG file, or is cut off" if isinstance(error, UnidentifiedImageError) else error
        raise mlt_s.MltSError(f"{member} cannot be read as a prediction: {reason}. {_WANTED}") from error
    values_found = set(np.unique(values).tolist())
    if not (values_found <= {0, 1} or values_found <= {0, 255}):
        some = ", ".join(map(str, sorted(values_found)[:5])) + (", ..." if len(values_found) > 5 else "")
        raise mlt_s.MltSError(f"{member} is not a prediction: it holds the values {some}. {_WANTED}")
    return values != 0


_WANTED = "A prediction is a PNG file of 0 and 1, or of 0 and 255; probabilities need a threshold."
