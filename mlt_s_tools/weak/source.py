"""A digest of what is read, by which a run that continues knows whether its sources are still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mlt_s


def digest(pairs: Iterable[tuple[str, mlt_s.Pair]]) -> str:
    """Changes if and only if a pair or one of its files does: image, label map, text value or words.

    Sizes and stamps stand for contents: only directories are read.

    Args:
        pairs: name of the split and `mlt_s.Pair`, in order.
    """
    pairs = list(pairs)
    lines = [
        f"{split}/{pair.image_id}/{copies[0].size}/{copies[0].stamp}"
        for split, pair in pairs
        for copies in (pair.image, pair.label, pair.words)
        if copies
    ]
    lines += [f"{split}/{pair.image_id}: text is {pair.text_value}" for split, pair in pairs if pair.text_value != 1]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
