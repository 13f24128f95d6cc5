"""Gives label maps a palette, so that any viewer shows the published colours. Pixel values do not change."""

import mlt_s
from mlt_s_tools.origin import is_signature

_GREY, _INDEXED = 0, 3  # colour types of PNG; in both a pixel is one number, so the compressed pixels stay the same
_COLOR_TYPE = 9  # its offset in the chunk IHDR
_FITTING = (b"IHDR", b"IDAT", b"IEND")  # others, such as tRNS, bKGD and sBIT, refer to grey levels, or are not needed


def with_palette(label: bytes) -> bytes:
    """Turns an 8-bit grey PNG file into one with a palette. The index of a pixel is its value as before."""
    pieces = [mlt_s.PNG_SIGNATURE]
    for kind, payload, piece in mlt_s.png_chunks(label):
        if kind == b"IHDR":
            assert payload[_COLOR_TYPE] == _GREY, "read_example gives label maps in 8-bit grey"
            payload = payload[:_COLOR_TYPE] + bytes([_INDEXED]) + payload[_COLOR_TYPE + 1 :]
            pieces += [mlt_s.png_chunk(kind, payload), mlt_s.png_chunk(b"PLTE", _colors())]
        elif kind in _FITTING or is_signature(kind, payload):
            pieces.append(piece)
    return b"".join(pieces)


def _colors() -> bytes:
    """All 256 colours. A label map has three values; a stray value is black, and not an error in every reader."""
    black = (0, 0, 0)
    return bytes(level for value in range(256) for level in mlt_s.LABEL_MAP.colors.get(value, black))
