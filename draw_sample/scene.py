"""A scene: planes with parts on them, seen under a light through a lens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from drawing.noise import Array

from .camera import Lens, Light, Photo, Pose, Shadow
from .surface import Surface, Word


@dataclass(frozen=True)
class Plane:
    """A flat thing of ``size`` units with parts on it; without a pose it fills the picture."""

    size: tuple[float, float]
    parts: Sequence
    pose: Pose | None = None
    corners: Sequence[tuple[float, float]] | None = None  # instead of a pose, in picture pixels
    bleed: float = 0  # how far it runs on beyond its size, in units
    defocus: float = 0
    shadow: Shadow | None = None

    def where(self, photo: Photo) -> Array:
        """The plane's corners in the picture, (4, 2), clockwise from its top left."""
        if self.pose:
            return self.pose.corners(self.size[1] / self.size[0], photo.width)
        if self.corners:
            return np.array(self.corners, float)
        return np.array([(0, 0), (photo.width, 0), (photo.width, photo.height), (0, photo.height)], float)


@dataclass(frozen=True)
class Scene:
    """What a picture shows; ``size`` is its (width, height)."""

    size: tuple[int, int]
    planes: Sequence[Plane]
    light: Light = field(default_factory=Light)
    lens: Lens = field(default_factory=Lens)
    wet_below: int | None = None  # the row below which wet ground mirrors the lamps


def photographed(scene: Scene, rng: np.random.Generator) -> tuple[Image.Image, Array, list[Word]]:
    """The picture, its label map (height, width) and its words."""
    photo = Photo(*scene.size)
    for plane in scene.planes:
        corners = plane.where(photo)
        surface: Surface = photo.surface(plane.size, corners, plane.bleed)
        for part in plane.parts:
            part.draw(surface, rng)
        photo.place(surface, corners, plane.defocus, plane.shadow)
    if scene.wet_below:
        photo.wet_ground(scene.wet_below, strength=0.55)
    return photo.developed(rng, scene.light, scene.lens), photo.label_map(), photo.words
