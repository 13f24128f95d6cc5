"""Pictures from the bytes of their files: as `datasets` decodes them, by faster libraries where these give the same.

simplejpeg and kornia-rs, which `pip install "mlt-s[fast]"` brings, decode here what Pillow gives the same pixels of, to
the bit. All else, and whatever they do not take without a word, is left to Pillow, which decodes or refuses it.
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
_MORE_THAN_PIXELS = (b"acTL", b"eXIf", b"iTXt", b"zTXt", b"Raw profile")  # frames, and what may tell to turn it
# Other libraries, and other releases, may round otherwise. `fromarrow` is there from Pillow 11.2 on.
_IS_TURBO = (PIL.features.version("libjpeg_turbo") or "").startswith("3.") and hasattr(PIL.Image, "fromarrow")


def image_of(file: Any) -> PIL.Image.Image:
    """An image as `mlt_s.RGBImage` decodes it: a `PIL.Image` of mode "RGB", which may be read-only.

    Args:
        file: a dict of `bytes` and `path`, as a column holds them that is not decoded. An image is returned as it is.
    """
    if not isinstance(file, dict):
        return file
    return _quickly(_rgb, file) or mlt_s.RGB_IMAGE.decode_example(file)


def label_of(file: Any) -> PIL.Image.Image | npt.NDArray[np.uint8] | None:
    """A label map likewise, or None: a `PIL.Image` as `mlt_s.LabelMap` decodes it, or its array (height, width)."""
    if not isinstance(file, dict):
        return file
    values = _quickly(_grey, file)
    return mlt_s.LABEL_MAP.decode_example(file) if values is None else values


def _quickly(decode: Callable[[bytes], Picture | None], file: dict[str, Any]) -> Picture | None:
    """A file decoded, or None where that is left to Pillow, which then says what is wrong, if something is."""
    if file.get("bytes") is not None:
        with contextlib.suppress(Exception):  # simplejpeg raises ValueError, kornia-rs Exception itself
            return decode(file["bytes"])
    return None


def _rgb(data: bytes) -> PIL.Image.Image | None:
    """A JPEG file of three components and 8 bits, by simplejpeg, which refuses what libjpeg-turbo only warns of."""
    if simplejpeg is None or not _IS_TURBO or not data.startswith(b"\xff\xd8"):
        return None
    header = PIL.Image.open(io.BytesIO(data), formats=("JPEG",))
    limit = PIL.Image.MAX_IMAGE_PIXELS  # up to twice as many Pillow only warns of
    is_plain = (header.format, header.mode, header.getexif().get(_ORIENTATION, 1)) == ("JPEG", "RGB", 1)
    if not is_plain or (limit is not None and header.width * header.height > limit):
        return None
    pixels = simplejpeg.decode_jpeg(data, "RGBX")  # four bytes a pixel, as Pillow holds RGB: none is copied
    if pixels.shape[1::-1] != header.size:
        return None
    held = pa.Array.from_buffers(pa.uint32(), pixels.size // 4, [None, pa.py_buffer(pixels)])
    return PIL.Image.fromarrow(held, "RGB", header.size)


def _grey(data: bytes) -> npt.NDArray[np.uint8] | None:
    """A PNG file of 8-bit grey, by kornia-rs.

    It checks the CRC-32 of the packed pixels, which Pillow does not, and not the Adler-32 of what they unpack to. So it
    takes a file that Pillow refuses only where the writer got that sum wrong.
    """
    width, height, *kind = struct.unpack_from(">II5B", data, 16)
    limit = PIL.Image.MAX_IMAGE_PIXELS
    if kornia_rs is None or tuple(kind) != _GREY or any(name in data for name in _MORE_THAN_PIXELS):
        return None
    if limit is not None and width * height > limit:
        return None
    return kornia_rs.io.decode_image_png_u8(data, (height, width), "mono")[..., 0]
