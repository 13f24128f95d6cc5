"""Label maps that show the published colours in any viewer, by a palette: no pixel value changes."""

import mlt_s
from mlt_s_tools.origin import is_signature

_GREY, _INDEXED = 0, 3  # colour types of PNG; in both a pixel is a number, so that the packed pixels serve both
_COLOR_TYPE = 9  # its place in the chunk IHDR
_FITTING = (b"IHDR", b"IDAT", b"IEND")  # others, such as tRNS, bKGD and sBIT, mean grey levels, or are no part of it


def with_palette(label: bytes) -> bytes:
    """An 8-bit grey PNG file as one of colours with a palette; a pixel's number in it is its value as before."""
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
    """All 256 colours. A label map has three values; a stray one is black, and not an error in every reader."""
    black = (0, 0, 0)
    return bytes(level for value in range(256) for level in mlt_s.LABEL_MAP.colors.get(value, black))
