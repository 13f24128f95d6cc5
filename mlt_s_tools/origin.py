"""Who made a label map: the authors of MLT_S, or `mlt-s weak`, which signs its own.

The signature is a text chunk of the PNG file, under the keyword that PNG's specification has for the program that made
a picture. So it goes wherever the file goes, and `example["label"].info["Software"]` shows it to whoever looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import mlt_s

if TYPE_CHECKING:
    import PIL.Image

KEYWORD, MAKER = mlt_s.SIGNATURE.decode("ascii").split("\0")
RECORD = "weak.json"  # lies beside the label maps in an archive that mlt-s weak made


def is_signature(kind: bytes, payload: bytes) -> bool:
    """Whether a chunk of a PNG file, given by its type and content (bytes), is a signature."""
    return kind == b"tEXt" and payload.startswith(mlt_s.SIGNATURE)


def is_signed(label: bytes) -> bool:
    """Whether a label map, given as the bytes of its PNG file, was made by `mlt-s weak`. Decodes no pixel."""
    return mlt_s.is_signed(label)


def made_by(label: PIL.Image.Image) -> str:
    """By what `mlt-s weak` made a label map, given as the loader yields it (`PIL.Image`); "" where it did not."""
    signature = str(label.info.get(KEYWORD, ""))
    return signature[len(MAKER) :].strip() or "?" if signature.startswith(MAKER) else ""
