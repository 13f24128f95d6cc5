"""What was read, in one word, by which a run that goes on knows whether it is still the same."""

import hashlib


def digest(pairs):
    """Another str where an image, a label map or words are others; nothing is read but the directories.

    Args:
        pairs: (name of the split, `mlt_s.Pair`), in order.
    """
    lines = [
        f"{split}/{pair.image_id}/{copies[0].size}/{copies[0].stamp}"
        for split, pair in pairs
        for copies in (pair.image, pair.label, pair.words)
        if copies
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
