"""Decodes files to the same pixels as `datasets` does, with faster libraries where they give identical results.

simplejpeg and kornia-rs, which `pip install "mlt-s[fast]"` installs, decode the files for which their pixels equal
Pillow's to the bit. Everything else, and every file that they do not accept without a warning, is left to Pillow, which
decodes or rejects it.
"""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import PIL.features
import PIL.Image
import pyarrow as pa

import mlt_s

if TYPE_CHECKING:
    import numpy.typing as npt

    Picture = TypeVar("Picture", PIL.Image.Image, npt.NDArray[np.uint8])

try:
    import simplejpeg
except ImportError:
    simplejpeg = None  # type: ignore[assignment,unused-ignore]
try:
    import kornia_rs
except ImportError:
    kornia_rs = None  # type: ignore[assignment,unused-ignore]

_ORIENTATION = 0x0112  # the tag's number in EXIF
_GREY = (8, 0, 0, 0, 0)  # of a PNG file: 8 bits, grey, deflate, filters, not interlaced
_MORE_THAN_PIXELS = (b"acTL", b"eXIf", b"iTXt", b"zTXt", b"Raw profile")  # frames, and chunks that can hold orientation
# Other libraries, and other releases, may round differently. `fromarrow` exists from Pillow 11.2 on.
_IS_TURBO = (PIL.features.version("libjpeg_turbo") or "").startswith("3.") and hasattr(PIL.Image, "fromarrow")


def image_of(file: Any) -> PIL.Image.Image:
    """Decodes an image as `mlt_s.RGBImage` does: a `PIL.Image` of mode "RGB", which may be read-only.

    Args:
        file: a dict of `bytes` and `path`, as an undecoded column has. An image is returned as it is.
    """
    if not isinstance(file, dict):
        return file
    return _quickly(_rgb, file) or mlt_s.RGB_IMAGE.decode_example(file)


def label_of(file: Any) -> PIL.Image.Image | npt.NDArray[np.uint8] | None:
    """Decodes a label map: a `PIL.Image` as `mlt_s.LabelMap` does, or its array (height, width). None stays None."""
    if not isinstance(file, dict):
        return file
    values = _quickly(_grey, file)
    return mlt_s.LABEL_MAP.decode_example(file) if values is None else values


def _quickly(decode: Callable[[bytes], Picture | None], file: dict[str, Any]) -> Picture | None:
    """Decodes a file, or returns None to leave it to Pillow, which then reports what is wrong, if anything is."""
    if file.get("bytes") is not None:
        with contextlib.suppress(Exception):  # simplejpeg raises ValueError, kornia-rs Exception itself
            return decode(file["bytes"])
    return None


def _rgb(data: bytes) -> PIL.Image.Image | None:
    """Decodes a JPEG file of three 8-bit components with simplejpeg, which rejects what libjpeg-turbo only warns of."""
    if simplejpeg is None or not _IS_TURBO or not data.startswith(b"\xff\xd8"):
        return None
    header = PIL.Image.open(io.BytesIO(data), formats=("JPEG",))
    limit = PIL.Image.MAX_IMAGE_PIXELS  # Pillow only warns up to twice as many
    is_plain = (header.format, header.mode, header.getexif().get(_ORIENTATION, 1)) == ("JPEG", "RGB", 1)
    if not is_plain or (limit is not None and header.width * header.height > limit):
        return None
    pixels = simplejpeg.decode_jpeg(data, "RGBX")  # four bytes per pixel, as Pillow stores RGB, so nothing is copied
    if pixels.shape[1::-1] != header.size:
        return None
    held = pa.Array.from_buffers(pa.uint32(), pixels.size // 4, [None, pa.py_buffer(pixels)])
    return PIL.Image.fromarrow(held, "RGB", header.size)


def _grey(data: bytes) -> npt.NDArray[np.uint8] | None:
    """Decodes a PNG file of 8-bit grey with kornia-rs.

    It checks the CRC-32 of the compressed pixels, which Pillow does not, but not the Adler-32 of the decompressed ones.
    So it accepts a file that Pillow rejects only if the writer got the Adler-32 wrong.
    """
    width, height, *kind = struct.unpack_from(">II5B", data, 16)
    limit = PIL.Image.MAX_IMAGE_PIXELS
    if kornia_rs is None or tuple(kind) != _GREY or any(name in data for name in _MORE_THAN_PIXELS):
        return None
    if limit is not None and width * height > limit:
        return None
    return kornia_rs.io.decode_image_png_u8(data, (height, width), "mono")[..., 0]
