"""The network that finds text in the crop of a word: its architecture, its file, and inference in NumPy.

A U-Net on crops of `INPUTS` channels. The stem merges 2 x 2 pixels. Three levels follow, each at half the resolution of
the one before. At the two lowest, the mean and spread of the features inside the word, and their mean outside, are fed
back to each pixel ("ctx"). So the network knows which of two colours is text. `torch_network` is the same in PyTorch.

The file is an .npz of float16 arrays, `NAME.w` and `NAME.b` of each layer, with batch norms folded into the
convolutions.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import zipfile
from collections.abc import Mapping
from typing import IO

import numpy as np
from numpy.lib.stride_tricks import as_strided

import mlt_s

INPUTS = 4  # red, green, blue, and how much of the pixel the word's quadrilateral covers
WIDTHS = (24, 48, 96, 128)  # channels at a half, a quarter, an eighth and a sixteenth of the crop's resolution
HIDDEN = 64  # hidden units between the statistics of a level and the scales and shifts computed from them
MULTIPLE = 16  # of height and width of a crop

_STORED = np.dtype("<f2")
_SUFFIX = ".npy"
_HEADER = 256  # bytes that the header of a member may have; np.save writes 128
_BLOCK = 200_000  # numbers gathered for one matrix product, so that they fit a core's cache
_DATE = (1980, 1, 1, 0, 0, 0)  # the first date that a zip can hold: the same weights give the same bytes


def _shapes() -> dict[str, tuple[int, ...]]:
    first, second, third, fourth = WIDTHS
    convolutions = {
        "s.1.0": (first, 4 * INPUTS, 3), "e1.0": (first, first, 3),
        "d2.0": (second, first, 3), "e2.0.a.0": (second, second, 3), "e2.0.b.0": (second, second, 3),
        "d3.0": (third, second, 3), "e3.0.a.0": (third, third, 3), "e3.0.b.0": (third, third, 3),
        "d4.0": (fourth, third, 3), "e4.0.a.0": (fourth, fourth, 3), "e4.0.b.0": (fourth, fourth, 3),
        "e4.1.a.0": (fourth, fourth, 3), "e4.1.b.0": (fourth, fourth, 3),
        "u3a.0": (third, fourth, 1), "u3.0": (third, 2 * third, 1), "u3b.0": (third, third, 3),
        "u2a.0": (second, third, 1), "u2.0": (second, 2 * second, 1),
        "u2b.a.0": (second, second, 3), "u2b.b.0": (second, second, 3),
        "u1a.0": (first, second, 1), "u1.0": (first, 2 * first, 1),
        "u1b.a.0": (first, first, 3), "u1b.b.0": (first, first, 3), "o": (4, first, 3),
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {
        name: (out, into, side, side) for name, (out, into, side) in convolutions.items()
    }
    for name, width in (("ctx", fourth), ("ctx3", third)):
        shapes |= {f"{name}.0": (HIDDEN, 3 * width), f"{name}.2": (2 * width, HIDDEN)}
    return {f"{name}.w": shape for name, shape in shapes.items()} | {
        f"{name}.b": shape[:1] for name, shape in shapes.items()
    }


SHAPES = _shapes()  # name of an array -> its shape
_MOST_BYTES = sum(2 * math.prod(shape) + 2 * _HEADER for shape in SHAPES.values())  # of a file


# --- The file ------------------------------------------------------------------------------------------------------


def digest_of(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file of weights. If the file is larger than any such file, only its beginning is hashed.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.sha256(file.read(_MOST_BYTES + 1)).hexdigest()


def read_weights(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads the weights from a file: float32 arrays, named and shaped as in `SHAPES`.

    Nothing is unpickled, and no more is read than the architecture needs.

    Raises:
        mlt_s.MltSError: the file cannot be read, or holds anything but these arrays.
    """
    try:
        if os.path.getsize(path) > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist()]
            if sorted(names) != sorted(name + _SUFFIX for name in SHAPES):
                strange = sorted({*names} ^ {name + _SUFFIX for name in SHAPES}) or sorted(names)
                raise ValueError(f"its arrays are not those of this network, such as {strange[0][:40]!r}")
            return {name: _read_array(archive, name) for name in SHAPES}
    except (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile) as error:
        raise mlt_s.MltSError(
            f"{mlt_s.absolute_address(path)} holds no readable weights ({type(error).__name__}: {error}). Copy it "
            "again from where it was made."
        ) from error
    except Exception as error:  # zlib's own errors, for damaged content
        raise mlt_s.MltSError(f"{mlt_s.absolute_address(path)} is damaged ({error}). Copy it again.") from error


def _read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    size = _STORED.itemsize * math.prod(SHAPES[name])
    with archive.open(name + _SUFFIX) as member:
        content = member.read(_HEADER + size + 1)
    if len(content) > _HEADER + size:
        raise ValueError(f"{name} is too large")
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{name} has a header of another version")
    shape, in_columns, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=_HEADER)
    if (shape, in_columns, dtype) != (SHAPES[name], False, _STORED):
        raise ValueError(f"{name} is {dtype} {shape}, not {_STORED} {SHAPES[name]}")
    data = file.read()
    if len(data) != size:
        raise ValueError(f"{name} has {len(data):,} bytes, not {size:,}")
    array = np.frombuffer(data, _STORED).reshape(shape).astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds a value that is not a number")
    return array


def write_weights(file: IO[bytes], weights: Mapping[str, np.ndarray]) -> None:
    """Writes weights, named and shaped as in `SHAPES`, to a binary file in float16. The same weights give the same
    bytes.
    """
    with zipfile.ZipFile(file, "w") as archive:
        for name in SHAPES:
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(weights[name], _STORED), version=(1, 0))
            archive.writestr(zipfile.ZipInfo(name + _SUFFIX, _DATE), member.getvalue())


# --- Inference -----------------------------------------------------------------------------------------------------


class Network:
    """The network in NumPy, on one core.

    Features are float32 (height, width, channels). For each matrix product, a convolution gathers the neighbours of as
    many rows as fit the cache.

    Args:
        weights: as `read_weights` returns them.
    """

    def __init__(self, weights: Mapping[str, np.ndarray]):
        self._weights = {
            name[:-2]: np.ascontiguousarray(
                array.transpose(2, 3, 1, 0).reshape(-1, array.shape[0]) if array.ndim == 4 else array.T
            )
            for name, array in weights.items()
            if name.endswith(".w")
        }
        self._biases = {name[:-2]: array for name, array in weights.items() if name.endswith(".b")}

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Logits of text, float32 (crops, height, width), for float32 crops (crops, height, width, `INPUTS`).

        The logits of a crop do not depend on the other crops. Height and width are multiples of `MULTIPLE`.
        """
        # Untrusted weights may overflow. `framing.restored` handles logits that are not numbers.
        with np.errstate(all="ignore"):
            return np.stack([self._logits(crop) for crop in crops])

    def _logits(self, crop: np.ndarray) -> np.ndarray:
        height, width, _ = crop.shape
        inside = crop[..., 3]
        blocks = crop.reshape(height // 2, 2, width // 2, 2, INPUTS).transpose(0, 2, 4, 1, 3)
        first = self._convolve(self._convolve(blocks.reshape(height // 2, width // 2, -1), "s.1.0"), "e1.0")
        second = self._residual(self._convolve(first, "d2.0", stride=2), "e2.0")
        third = self._residual(self._convolve(second, "d3.0", stride=2), "e3.0")
        fourth = self._residual(self._convolve(third, "d4.0", stride=2), "e4.0")
        fourth = self._scaled(self._residual(fourth, "e4.1", dilation=2), inside, "ctx")
        third = self._scaled(self._convolve(self._joined(fourth, third, "u3"), "u3b.0"), inside, "ctx3")
        second = self._residual(self._joined(third, second, "u2"), "u2b")
        first = self._residual(self._joined(second, first, "u1"), "u1b")
        out = self._convolve(first, "o", rectify=False).reshape(height // 2, width // 2, 2, 2)
        return out.transpose(0, 2, 1, 3).reshape(height, width)

    def _convolve(
        self, features: np.ndarray, name: str, stride: int = 1, dilation: int = 1, rectify: bool = True
    ) -> np.ndarray:
        """A 3 x 3 convolution."""
        weights = self._weights[name]
        (height, width, channels), margin = features.shape, dilation
        padded = np.zeros((height + 2 * margin, width + 2 * margin, channels), np.float32)
        padded[margin:-margin, margin:-margin] = features
        height, width = height // stride, width // stride
        out = np.empty((height * width, weights.shape[1]), np.float32)
        rows = min(height, max(1, _BLOCK // (width * 9 * channels)))
        down, right, one = padded.strides
        strides = (stride * down, stride * right, dilation * down, dilation * right, one)
        neighbours = as_strided(padded, (height, width, 3, 3, channels), strides)
        gathered = np.empty((rows, *neighbours.shape[1:]), np.float32)
        for top in range(0, height, rows):
            some = gathered[: min(rows, height - top)]
            some[...] = neighbours[top : top + rows]
            place = slice(top * width, (top + len(some)) * width)
            np.matmul(some.reshape(-1, 9 * channels), weights, out=out[place])
        out += self._biases[name]
        if rectify:
            np.maximum(out, 0, out=out)
        return out.reshape(height, width, -1)

    def _residual(self, features: np.ndarray, name: str, dilation: int = 1) -> np.ndarray:
        inner = self._convolve(features, f"{name}.a.0", dilation=dilation)
        out = self._convolve(inner, f"{name}.b.0", rectify=False)
        out += features
        return np.maximum(out, 0, out=out)

    def _joined(self, coarse: np.ndarray, fine: np.ndarray, name: str) -> np.ndarray:
        """Joins the level below with this one by a 1 x 1 convolution.

        The convolution comes before the upsampling, which gives the same result at a quarter of the cost.
        """
        weights = self._weights[f"{name}.0"]
        coarse = coarse @ self._weights[f"{name}a.0"]
        coarse += self._biases[f"{name}a.0"]
        np.maximum(coarse, 0, out=coarse)
        channels = coarse.shape[-1]
        out = fine @ weights[channels:]
        out += self._biases[f"{name}.0"]
        height, width, _ = coarse.shape
        out.reshape(height, 2, width, 2, -1)[...] += (coarse @ weights[:channels])[:, None, :, None]
        return np.maximum(out, 0, out=out)

    def _scaled(self, features: np.ndarray, inside: np.ndarray, name: str) -> np.ndarray:
        """Scales and shifts features by their statistics inside and outside the word."""
        height, width, channels = features.shape
        inside = inside.reshape(height, inside.shape[0] // height, width, -1).mean((1, 3)).ravel()
        pixels = features.reshape(-1, channels)
        mean = _mean(pixels, inside)
        spread = np.sqrt(_mean((pixels - mean) ** 2, inside) + np.float32(1e-4))
        statistics = np.concatenate([mean, _mean(pixels, 1 - inside), spread])
        hidden = np.maximum(statistics @ self._weights[f"{name}.0"] + self._biases[f"{name}.0"], 0)
        gain, shift = np.split(hidden @ self._weights[f"{name}.2"] + self._biases[f"{name}.2"], 2)
        return features * (1 + gain) + shift


def _mean(pixels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ pixels / (weights.sum() + np.float32(1e-3))
