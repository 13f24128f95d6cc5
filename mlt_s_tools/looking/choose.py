"""Chooses pairs to show: all of a folder, some by id, or a random sample. Reads and decodes a pair.

Choosing reads only the directories of the archives. Pictures and words of a pair are read when they are needed, so a
few pairs out of thousands cost no more than a few.
"""

from __future__ import annotations

import difflib
import functools
import os
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import mlt_s
from mlt_s_tools import origin

if TYPE_CHECKING:
    import datasets
    import numpy.typing as npt
    import PIL.Image


TURNED = (5, 6, 7, 8)  # EXIF orientations that swap the sides


class Choice(NamedTuple):
    """A pair to show. Its id alone is ambiguous, because both splits have the same ids."""

    split: str
    pair: mlt_s.Pair

    @property
    def title(self) -> str:
        return f"{self.split}  {self.pair.image_id}"


class Source:
    """The pairs of a folder, in the order of their splits and numbers.

    Label maps without an image are left out with a warning. A pair without ground truth, or whose ground truth cannot
    be read, can still be shown: words are read separately.

    Args:
        data_dir: the folder of the archives, as for `load_dataset`; None for label maps alone, each at its own size.
        label_maps: the label archive, if it is not in `data_dir`.
        split: the only split to use; by default all.
        text_value: the value of text in the label maps, as for the loader: 1 or 255.

    Raises:
        mlt_s.MltSError: nothing can be loaded from `data_dir`, or the split has no pairs.
    """

    def __init__(
        self,
        data_dir: str | os.PathLike[str] | None,
        label_maps: str | list[str] | None = None,
        split: str | None = None,
        text_value: int = 1,
    ) -> None:
        options = {"label_maps": label_maps, "text_value": text_value, "missing_images": "skip"}
        config = "segmentation" if data_dir is not None else "labels"
        self._builder = mlt_s.MltS(config_name=config, data_dir=data_dir, **options)
        self._choices = [Choice(name, pair) for name, pairs in self._builder.pairs().items() for pair in pairs]
        self.choices = [choice for choice in self._choices if split in (None, choice.split)]
        if not self.choices:
            raise mlt_s.MltSError(f"There is no pair of the {split} split in {data_dir}.")

    @property
    def count(self) -> int:
        return len(self.choices)

    @property
    def label_maps(self) -> list[str]:
        """The addresses that were given for label maps; empty if they are in `data_dir`."""
        return self._builder.config.label_sources

    @functools.cached_property
    def not_authors(self) -> list[str]:
        """The places of label maps that are not the authors' archive or its folder, by name or by the value of text."""
        folder = self._builder.config.data_dir
        root = mlt_s.absolute_address(folder) if folder else ""
        if self._builder.config.text_value != 1:  # the authors' have 1
            return self.label_maps or [root]
        labels = [choice.pair.label[0] for choice in self.choices]
        places = set(map(mlt_s.place_of, labels))
        if self.label_maps:
            given = ((source, origin.places_in(source, places)) for source in self.label_maps)
            return [source for source, inside in given if not all(map(mlt_s.is_authors, inside))]
        # In the folder itself, the authors' label maps may be in folders of any name, except names of corrected ones.
        return sorted({mlt_s.place_of(label) for label in labels if mlt_s.is_corrected(_path_in(root, label))})

    @property
    def has_others(self) -> bool:
        """Whether some label maps are neither the authors' nor made from them, by name, signature and value of text."""
        config = self._builder.config
        return config.text_value != 1 or origin.has_others((choice.pair for choice in self.choices), config)

    def draw(self, count: int, seed: int) -> list[Choice]:
        """A random sample of `count` choices, or all if there are fewer, in their order; the same ones for the same
        seed.
        """
        chosen = random.Random(seed).sample(range(len(self.choices)), min(count, len(self.choices)))
        return [self.choices[index] for index in sorted(chosen)]

    def find(self, ids: Sequence[str]) -> list[Choice]:
        """The choices with these ids, in this order. An id that occurs in both splits gives two choices.

        Raises:
            mlt_s.MltSError: an id does not exist; the message names it and similar ones.
        """
        by_id: dict[str, list[Choice]] = {}
        for choice in self.choices:
            by_id.setdefault(choice.pair.image_id.lower(), []).append(choice)
        unknown = [image_id for image_id in ids if image_id.lower() not in by_id]
        if unknown:
            raise mlt_s.MltSError(" ".join(self._unknown(image_id, list(by_id)) for image_id in dict.fromkeys(unknown)))
        return [
            choice for image_id in dict.fromkeys(image_id.lower() for image_id in ids) for choice in by_id[image_id]
        ]

    def _unknown(self, image_id: str, known: list[str]) -> str:
        near = difflib.get_close_matches(image_id.lower(), known, n=3)
        names = {choice.pair.image_id.lower(): choice.pair.image_id for choice in self.choices}
        some = ", ".join(names[name] for name in near or known[:3])
        return (
            f"There is no pair {image_id!r}: did you mean {some}?"
            if near
            else f"There is no pair {image_id!r}. There are, for example, {some}."
        )

    def read(self, choice: Choice) -> dict[str, Any]:
        """The example of a choice, as `load_dataset` yields it.

        Raises:
            mlt_s.MltSError: a file of it is damaged, or image and label map do not fit each other.
        """
        return read(choice.pair, self._builder.info.features, self._builder.config.remote_options)

    def namesakes(self, choice: Choice) -> list[Choice]:
        """The choices of other splits with the same name, regardless of the split that was asked for."""
        named = self._by_name[mlt_s.name_key(choice.pair.image_id)]
        return [other for other in named if other.split != choice.split]

    def orientation(self, choice: Choice) -> int:
        """The EXIF orientation of the image of a choice, 1 to 8.

        Raises:
            mlt_s.MltSError: the image is damaged.
        """
        return self._stored(choice)[1]

    def fits_image(self, choice: Choice) -> bool:
        """Whether a label map has the size of its image, either as stored or as turned by its orientation.

        Raises:
            mlt_s.MltSError: one of them is damaged.
        """
        size, orientation = self._stored(choice)
        label = self.label(choice._replace(pair=choice.pair._replace(image=())))  # not turned with the image
        return label.size == size or orientation in TURNED and label.size == size[::-1]

    def _stored(self, choice: Choice) -> tuple[tuple[int, int], int]:
        """(width, height) and EXIF orientation of an image as stored."""
        member = choice.pair.image[0]
        return mlt_s.stored_image(mlt_s.read_member(member, self._builder.config.remote_options), member)[1:]

    def label(self, choice: Choice) -> PIL.Image.Image:
        """The label map of a choice in the frame of its image, mode "L". Does not decode the image.

        Raises:
            mlt_s.MltSError: a file of it is damaged, or image and label map do not fit each other.
        """
        example = mlt_s.read_example(choice.pair, self._builder.config.remote_options)
        return decoded(self._builder.info.features["label"], example["label"], choice.pair.label[0])

    def read_label(self, choice: Choice) -> npt.NDArray[np.uint8]:
        """The result of `label` as an array, (height, width), uint8."""
        return np.asarray(self.label(choice))

    @functools.cached_property
    def _by_name(self) -> dict[str, list[Choice]]:
        found = defaultdict(list)
        for choice in self._choices:
            found[mlt_s.name_key(choice.pair.image_id)].append(choice)
        return found

    @functools.cached_property
    def _ground_truth(self) -> tuple[dict[tuple[str, str], list[mlt_s.Member]], str]:
        """The result of the function `_ground_truth`, cached when words are first needed; and why it failed, or ""."""
        config = self._builder.config
        try:
            return _ground_truth(mlt_s.absolute_address(config.data_dir), config.remote_options), ""
        except mlt_s.MltSError as error:
            return {}, str(error)

    def with_words(self, choice: Choice) -> mlt_s.Pair:
        """The pair of a choice, with its ground truth if there is any.

        Raises:
            mlt_s.MltSError: the folder's ground truth cannot be read at all.
        """
        ground_truth, reason = self._ground_truth
        if reason:
            raise mlt_s.MltSError(reason)
        copies = ground_truth.get((choice.split, mlt_s.name_key(choice.pair.image_id)), ())
        return choice.pair._replace(words=tuple(copies))

    def read_words(self, choice: Choice) -> list[dict[str, Any]] | None:
        """The words of a choice, as `mlt_s.parse_words` returns them; None if it has no ground truth.

        Raises:
            mlt_s.MltSError: its ground truth is damaged, has an invalid line, or exists with two different contents; or
                the folder's ground truth cannot be read at all.
        """
        words = self.with_words(choice).words
        if not words:
            return None
        pair = mlt_s.Pair(choice.pair.image_id, words=words)
        return mlt_s.read_example(pair, self._builder.config.remote_options)["words"]


def _path_in(root: str, member: mlt_s.Member) -> str:
    address = member.address[len(root) :] if mlt_s.is_below(member.address, [root]) else ""
    return f"{address}/{member.name or ''}".replace("\\", "/")


def read(pair: mlt_s.Pair, features: datasets.Features, options: dict[str, Any]) -> dict[str, Any]:
    """The example of a pair, decoded, with a label map, where it has one, that can be shown in colours.

    Raises:
        mlt_s.MltSError: a file of it is damaged, or the two do not fit each other.
    """
    example = mlt_s.read_example(pair, options)
    for column, copies in ("image", pair.image), ("label", pair.label):
        if copies:
            example[column] = decoded(features[column], example[column], copies[0])
    try:
        if pair.label:
            mlt_s.LABEL_MAP.colorize(example["label"])
    except ValueError as error:
        raise mlt_s.MltSError(f"{pair.label[0]} cannot be shown: {error}") from None
    return example


def decoded(feature: datasets.Image, picture: dict[str, Any], member: mlt_s.Member) -> PIL.Image.Image:
    """Decodes a picture of an example by its feature: a `PIL.Image`.

    Raises:
        mlt_s.MltSError: it is truncated, or too large.
    """
    try:
        return feature.decode_example(picture)
    except MemoryError:
        raise
    except Exception as error:  # a truncated or too large picture: each format of Pillow raises its own errors
        raise mlt_s.MltSError(f"{member} cannot be decoded: {error}. Fetch it again.") from error


def _ground_truth(root: str, options: dict[str, Any]) -> dict[tuple[str, str], list[mlt_s.Member]]:
    """(split, name of the image) -> the members of ground truth, which are one content or an error of that pair's."""
    listing = mlt_s.list_source(root, ("words",), options)
    stray = [member for role, member in listing.unplaced if role == "words"]
    if stray:
        mlt_s.report_unplaced(stray, "ground truth file")
    found = defaultdict(list)
    for (_, split), files in listing.files.items():
        for stem, member in files:
            found[split, mlt_s.name_key(stem)].append(member)
    return found
