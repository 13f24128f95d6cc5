"""Simulates the effects of a camera and a file format on a painted crop."""

import cv2
import numpy as np

from drawing.noise import Array


def photographed(
    rng: np.random.Generator, image: Array, text: Array, side: float, contrast: float, effects: set[str], easy: bool
) -> tuple[Array, Array]:
    """The crop as a picture, uint8, and its text, float32: 0.5 where strokes cover a quarter of a pixel.

    The quarter is because people, and the maps of MLT_S, draw text rather wide. A crop seen from afar is reduced and
    enlarged again, like small words in a picture. Its coverage is computed on the small pixels.
    """
    size = image.shape[1::-1]
    small = _small_size(rng, size, side, effects, easy)
    image = _exposed(rng, image)
    linear = rng.random() < 0.35  # blurred before the camera's tone curve, so that bright strokes grow
    if linear:
        image = np.clip(image, 0, 255) ** 2 / 255
    image = _blurred(rng, image, side, effects, easy)
    if small != size:
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        text = cv2.resize(text, small, interpolation=cv2.INTER_AREA)
    if linear:
        image = np.sqrt(np.maximum(image, 0) * 255)
    image = _compressed(rng, _noisy(rng, image, contrast, easy), effects)
    text = np.minimum(1, 2 * text)
    if small != size:
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC)
        text = cv2.resize(text, size, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(image), text


def _small_size(
    rng: np.random.Generator, size: tuple[int, int], side: float, effects: set[str], easy: bool
) -> tuple[int, int]:
    share = 1.0
    if "tiny" in effects:  # words of 7 to 13 pixels
        share = min(1, rng.uniform(7, 13) / side)
    elif rng.random() < 0.5:
        share = min(1, max(9 / side, np.exp(rng.uniform(-0.9 if easy else -1.3, 0))))
    return max(8, round(size[0] * share)), max(8, round(size[1] * share))


def _exposed(rng: np.random.Generator, image: Array) -> Array:
    if rng.random() < 0.25:
        image = 255 * (np.clip(image, 0, 255) / 255) ** np.float32(np.exp(rng.uniform(-0.5, 0.5)))
    if rng.random() < 0.3:  # white balance
        image = image * (1 + rng.uniform(-0.22, 0.22, 3).astype(np.float32))
    if rng.random() < 0.2:
        image = image * np.float32(rng.uniform(0.35, 0.9)) + np.float32(rng.uniform(0, 60))
    return image


def _blurred(rng: np.random.Generator, image: Array, side: float, effects: set[str], easy: bool) -> Array:
    if "blurred" in effects:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(1, max(1.0, 0.07 * side + 0.5)))
    elif rng.random() < 0.55:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1 if easy else 1.4))
    if rng.random() < 0.07:  # motion
        reach = int(rng.integers(2, max(3, int(0.12 * side)) + 1))
        angle, kernel = rng.uniform(0, np.pi), np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
        dx, dy = reach * np.cos(angle) / 2, reach * np.sin(angle) / 2
        cv2.line(kernel, (int(reach - dx), int(reach - dy)), (int(reach + dx), int(reach + dy)), 1, 1)
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    return image


def _noisy(rng: np.random.Generator, image: Array, contrast: float, easy: bool) -> Array:
    if rng.random() < 0.6:
        strength = rng.uniform(0.5, 5) if easy or rng.random() < 0.7 else rng.uniform(5, 16)
        channels = 3 if rng.random() < 0.6 else 1
        noise = rng.standard_normal(image.shape[:2] + (channels,), dtype=np.float32)
        if rng.random() < 0.3:
            noise = 1.7 * cv2.GaussianBlur(noise, (0, 0), 0.7).reshape(noise.shape)
        image = image + noise * np.float32(min(strength, 0.35 * contrast))  # more noise would hide the word
    if rng.random() < 0.2:  # sharpened
        detail = image - cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 1.6))
        image = image + detail * np.float32(rng.uniform(0.3, 1.6))
    return np.clip(image, 0, 255).astype(np.uint8)


def _compressed(rng: np.random.Generator, image: Array, effects: set[str]) -> Array:
    if "blocks" in effects or rng.random() < 0.6:
        quality = int(rng.integers(8, 30) if "blocks" in effects else rng.integers(25, 96))
        _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
    return image
