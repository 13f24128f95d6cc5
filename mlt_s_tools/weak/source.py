"""What was read, in one word, by which a run that goes on knows whether it is still the same."""

import hashlib


def digest(pairs):
    """Another str where an image, a label map, its text value or words are others; only directories are read.

    Args:
        pairs: (name of the split, `mlt_s.Pair`), in order.
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
