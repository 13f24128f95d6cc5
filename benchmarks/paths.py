"""Paths of the data that contenders work on. Imports nothing else, because imports are measured."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Stage:
    """Paths, as str. What no chosen group uses is not made.

    Attributes:
        archives: the archives, of the share that was asked for.
        unpacked: the same, unpacked into `train/images`, `train/labels`, and so on, with metadata for `imagefolder`.
        few: archives of a few pairs of full size; with all of them asked for, the same as `archives`.
        few_unpacked: likewise.
        prepared: cache folder, where this project has prepared `few`.
        prepared_imagefolder: cache folder, where `imagefolder` has prepared `few_unpacked`.
        built: what `mlt-s build` made of `few`.
        many: archives of 9,000 entries, small ones.
        many_unpacked: likewise.
        tenth: archives of a tenth as many entries, of the same size.
        third: archives of 0.3 times as many entries, of the same size.
        delay: seconds that a server of the group "remote" is away, a float.
        other_python: an interpreter with what is not installed here; empty without one.
        copies: names of groups that start no fresh process, though they measure imports.
    """

    archives: str
    unpacked: str
    few: str
    few_unpacked: str
    prepared: str
    prepared_imagefolder: str
    built: str
    many: str
    many_unpacked: str
    tenth: str
    third: str
    delay: float
    other_python: str = ""
    copies: tuple[str, ...] = ()
