"""Lit signs after dark."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from drawing.materials import Colour, asphalt, enamel, glass, light_box, masonry, planks, plaster

from .camera import Lens, Light, Pose, Shadow
from .parts import (
    BLACK,
    WHITE,
    Bokeh,
    Disc,
    Fill,
    Houses,
    Lamp,
    Lantern,
    Mark,
    Panel,
    Shade,
    Stroke,
    Text,
    Window,
)
from .scene import Plane, Scene
from .surface import Reads

STREET_LAMPS = ((1.0, 0.72, 0.36), (1.0, 0.55, 0.22), (0.95, 0.90, 0.75), (0.95, 0.25, 0.20), (0.35, 0.65, 1.0))
NEON_LAMPS = ((1.0, 0.25, 0.45), (0.30, 0.75, 1.0), (1.0, 0.80, 0.30), (0.60, 0.35, 1.0), (0.25, 0.95, 0.65))
NIGHT_SKY = (0.05, 0.06, 0.11)
PINK, CYAN, AMBER = (1.0, 0.22, 0.48), (0.20, 0.82, 1.0), (1.0, 0.66, 0.18)
WARM_ROOM = partial(glass, inside=(0.62, 0.40, 0.20), sky_colour=(0.10, 0.10, 0.14), lamps=0.9)


def wet_street(width: int, horizon: int, height: int, lamps: Sequence[Colour] = STREET_LAMPS) -> Plane:
    """Asphalt after rain, from the horizon down, with the lamps mirrored in it."""
    return Plane(
        (width, height - horizon),
        [
            Fill(partial(asphalt, colour=(0.16, 0.16, 0.18))),
            Bokeh((0, 0, width, (height - horizon) * 0.9), 26, (8, 26), lamps, 0.20),
        ],
        corners=[(0, horizon), (width, horizon), (width, height), (0, height)],
        defocus=5,
    )


def far_street(width: int, height: int, lamps: Sequence[Colour] = STREET_LAMPS, count: int = 46) -> Plane:
    """Houses and lamps far behind, out of focus."""
    return Plane(
        (width, height),
        [
            Fill(partial(plaster, colour=NIGHT_SKY, streaks=0)),
            Houses(
                (0, height * 0.1, width, height),
                5,
                ((0.16, 0.14, 0.15), (0.20, 0.17, 0.16), (0.12, 0.13, 0.16)),
                lit=0.30,
            ),
            Bokeh((0, height * 0.25, width, height * 0.9), count, (width / 90, width / 32), lamps, 0.8),
        ],
        defocus=5,
    )


TOKYO_RAMEN = Scene(
    size=(600, 800),
    planes=[
        Plane(
            (640, 860),
            [
                Fill(partial(planks, colour=(0.26, 0.17, 0.11), upright=True, plank=34)),
                Lamp(320, 330, 150, (0.85, 0.50, 0.22), 0.5),
                Panel(
                    (90, 112, 560, 272),
                    partial(light_box, colour=(0.86, 0.12, 0.08)),
                    4,
                    (0.06, 0.05, 0.05),
                    7,
                    shadow=0.6,
                    depth=10,
                    own_light=0.36,
                ),
                Text("ラーメン", 325, 222, 100, "japanese serif", (1.0, 0.96, 0.86), own_light=0.62),
                Text("札幌 味噌", 325, 259, 24, "japanese", (1.0, 0.88, 0.45), own_light=0.55, spacing=20),
                Window((130, 380, 560, 700), (0.10, 0.07, 0.05), 8, (3, 2), WARM_ROOM, own_light=0.42),
                Shade((0, 700, 640, 860), 0.55, 40),
                *[
                    Panel(
                        (134 + k * 105, 315, 236 + k * 105, 485),
                        partial(plaster, colour=(0.13, 0.17, 0.38)),
                        0,
                        shadow=0.4,
                        depth=5,
                        own_light=0.05,
                    )
                    for k in range(4)
                ],
                Text("麺", 185, 432, 68, "japanese serif", WHITE, own_light=0.08),
                Text("処", 290, 432, 68, "japanese serif", WHITE, own_light=0.08),
                Text("大", 395, 432, 68, "japanese serif", WHITE, own_light=0.08),
                Text("吉", 500, 432, 68, "japanese serif", WHITE, own_light=0.08),
                Stroke([(120, 315), (570, 315)], 8, (0.30, 0.20, 0.12)),
                Panel((440, 500, 550, 556), (0.05, 0.05, 0.06), 6),
                Text("OPEN", 495, 541, 36, "sans", PINK, finish="neon"),
                Panel((190, 540, 320, 630), (0.90, 0.86, 0.74), 2, own_light=0.2),
                Text("餃子", 255, 580, 34, "japanese", (0.65, 0.06, 0.05)),
                Text("¥380", 255, 620, 34, "sans bold", BLACK),
            ],
            pose=Pose(312, 400, 740, yaw=13, pitch=2),
            bleed=120,
        ),
        Plane(
            (100, 380),
            [
                Panel(
                    (0, 0, 100, 380),
                    partial(light_box, colour=(0.98, 0.93, 0.78), tubes=5),
                    6,
                    (0.10, 0.08, 0.07),
                    6,
                    own_light=0.50,
                ),
                Text("中華そば", 50, 26, 82, "japanese", (0.70, 0.05, 0.05), vertical=True, own_light=0.12),
            ],
            pose=Pose(70, 330, 96, yaw=-28, pitch=2),
            shadow=Shadow(16, 16, 12, 0.5),
        ),
        *[
            Plane(
                (90, 150),
                [Lantern(45, 75, 70, 110), Text("酒", 45, 96, 50, "japanese serif", (0.10, 0.03, 0.03))],
                pose=Pose(x, y, 106, yaw=6, roll=r),
                shadow=Shadow(8, 10, 8, 0.4),
            )
            for x, y, r in [(105, 655, -2), (512, 690, 2)]
        ],
    ],
    light=Light(0.50, (0.80, 0.86, 1.10), falloff=0.3, angle=90),
    lens=Lens(noise=0.009, bloom=0.35, vignette=0.4),
)

NEON_BAR = Scene(
    size=(720, 480),
    planes=[
        Plane(
            (800, 560),
            [
                Fill(
                    partial(
                        masonry,
                        colours=((0.22, 0.15, 0.14), (0.19, 0.13, 0.13)),
                        joint_colour=(0.16, 0.13, 0.13),
                        rough=0.05,
                    )
                ),
                Text("Jazz", 265, 250, 150, "serif italic", PINK, finish="neon"),
                Text("BAR", 560, 250, 112, "sans", CYAN, finish="neon"),
                Stroke([(140, 292), (680, 292)], 5, AMBER, own_light=1),
                Lamp(420, 292, 40, AMBER, 0.2),
                Text("営業中", 300, 388, 72, "japanese light", AMBER, finish="neon"),
                Text("♪", 480, 390, 76, "japanese light", (0.35, 1.0, 0.62), finish="neon"),
                Text("24h", 600, 388, 60, "sans", (0.95, 0.95, 1.0), finish="neon"),
            ],
            pose=Pose(370, 240, 860, yaw=-14, pitch=-2),
            bleed=120,
        ),
    ],
    light=Light(0.42, (0.62, 0.72, 1.2), falloff=0.3),
    lens=Lens(noise=0, bloom=0.18, vignette=0.5, blur=0.45),
)


def hanging_sign(
    text: str,
    x: float,
    y: float,
    width: float,
    face: Colour,
    ink: Colour,
    *,
    yaw: float = 24,
    size: float = 78,
    height: float | None = None,
    font: str = "chinese",
    tube: Colour | None = None,
) -> Plane:
    """A lit upright sign hung out over the street, its text running down, framed by a neon tube."""
    height = height or (len(text) * size + 0.5 * size)
    return Plane(
        (110, height),
        [
            Panel(
                (0, 0, 110, height), partial(light_box, colour=face, tubes=4), 5, (0.07, 0.06, 0.06), 5, own_light=0.30
            ),
            Panel(
                (9, 9, 101, height - 9), partial(light_box, colour=face, tubes=4), 4, tube or ink, 2.5, own_light=0.34
            ),
            Text(text, 55, 0.22 * size, size, font, ink, vertical=True, own_light=0.75),
        ],
        pose=Pose(x, y, width, yaw=yaw),
        shadow=Shadow(6, 10, 14, 0.3),
    )


HONG_KONG_NEON = Scene(
    size=(680, 850),
    planes=[
        far_street(680, 850, NEON_LAMPS, 60),
        wet_street(680, 690, 850, NEON_LAMPS),
        Plane(
            (300, 850),
            [
                Fill(partial(plaster, colour=(0.22, 0.20, 0.22), streaks=0.08)),
                *[
                    Window(
                        (60, 80 + 190 * k, 240, 220 + 190 * k),
                        bars=(3, 1),
                        glass=WARM_ROOM,
                        own_light=0.20 + 0.20 * (k % 2),
                    )
                    for k in range(4)
                ],
            ],
            corners=[(-10, -120), (150, 60), (150, 760), (-10, 940)],
            defocus=1.0,
        ),
        Plane(
            (300, 850),
            [
                Fill(partial(plaster, colour=(0.20, 0.19, 0.23), streaks=0.08)),
                *[
                    Window(
                        (60, 80 + 190 * k, 240, 220 + 190 * k),
                        bars=(3, 1),
                        glass=WARM_ROOM,
                        own_light=0.20 + 0.20 * ((k + 1) % 2),
                    )
                    for k in range(4)
                ],
            ],
            corners=[(540, 60), (700, -120), (700, 940), (540, 760)],
            defocus=1.0,
        ),
        hanging_sign("大药房", 262, 420, 70, (0.05, 0.34, 0.22), (0.75, 1.0, 0.80), yaw=-20, size=76),
        hanging_sign("典当", 330, 560, 44, (0.08, 0.16, 0.36), (0.60, 0.85, 1.0), yaw=-16, size=74),
        hanging_sign("酒店", 440, 450, 74, (0.42, 0.06, 0.20), (1.0, 0.78, 0.30), yaw=24),
        Plane(
            (360, 130),
            [
                Panel((0, 0, 360, 130), partial(light_box, colour=(0.74, 0.07, 0.06)), 8, AMBER, 5, own_light=0.32),
                Text("老四川火锅", 180, 78, 62, "chinese serif", (1.0, 0.88, 0.42), own_light=0.8),
                Text("HOT POT", 180, 117, 27, "sans bold", WHITE, own_light=0.6, spacing=8),
            ],
            pose=Pose(410, 235, 430, yaw=20, roll=1),
            shadow=Shadow(6, 10, 14, 0.3),
        ),
        hanging_sign(
            "卡拉OK", 122, 420, 130, (0.10, 0.08, 0.34), (0.45, 0.85, 1.0), yaw=-30, size=74, tube=PINK, height=330
        ),
        hanging_sign("茶餐厅", 572, 520, 140, (0.06, 0.30, 0.16), (1.0, 0.92, 0.55), yaw=32, size=80, tube=AMBER),
        Plane(
            (80, 26),
            [
                Panel((0, 0, 80, 26), (0.60, 0.12, 0.12), 2, own_light=0.3),
                Text("HAIR SALON", 40, 18, 11, "narrow", WHITE, own_light=0.6, reads=Reads.NOT, script="None"),
            ],
            pose=Pose(352, 602, 66),
            defocus=0.9,
        ),
    ],
    light=Light(0.45, (0.80, 0.80, 1.15), falloff=0.1),
    lens=Lens(noise=0.008, bloom=0.35, vignette=0.4, motion=1.6, motion_angle=10),
    wet_below=690,
)

BLURRED_TAXI = Scene(
    size=(720, 480),
    planes=[
        far_street(720, 480, STREET_LAMPS, 40),
        wet_street(720, 392, 480),
        Plane(
            (420, 150),
            [
                Panel((20, 50, 400, 125), partial(enamel, colour=(0.90, 0.66, 0.08)), 26, own_light=0.03),
                Mark([(100, 58), (150, 8), (290, 8), (340, 58)], (0.86, 0.62, 0.07)),
                Mark([(116, 56), (156, 15), (214, 15), (214, 56)], (0.20, 0.24, 0.30)),
                Mark([(222, 56), (222, 15), (284, 15), (322, 56)], (0.20, 0.24, 0.30)),
                Disc(102, 122, 25, (0.05, 0.05, 0.05)),
                Disc(318, 122, 25, (0.05, 0.05, 0.05)),
                Disc(102, 122, 11, (0.45, 0.45, 0.45)),
                Disc(318, 122, 11, (0.45, 0.45, 0.45)),
                Disc(390, 74, 9, (1.0, 0.95, 0.80), 1),
                Disc(28, 74, 7, (1.0, 0.15, 0.10), 0.9),
                Text("CITY TAXI", 205, 92, 32, "sans bold", BLACK, reads=Reads.BARELY),
                Panel((180, -8, 255, 10), (0.98, 0.92, 0.70), 4, own_light=0.75),
            ],
            pose=Pose(350, 335, 470, roll=1),
        ),
        Plane(
            (80, 22),
            [
                Panel((0, 0, 80, 22), (0.98, 0.92, 0.70), 4, own_light=0.75),
                Text("TAXI", 40, 17, 17, "sans black", BLACK, reads=Reads.BARELY),
            ],
            pose=Pose(356, 258, 92, roll=1),
        ),
        Plane(
            (180, 60),
            [
                Panel((0, 0, 180, 60), partial(light_box, colour=(0.30, 0.55, 0.95)), 4, own_light=0.5),
                Text("HOTEL", 90, 44, 40, "sans bold", WHITE, own_light=0.9, reads=Reads.NOT),
            ],
            pose=Pose(575, 120, 130),
            defocus=4,
        ),
    ],
    light=Light(0.42, (0.85, 0.88, 1.1), falloff=0.1),
    lens=Lens(noise=0.005, bloom=0.35, vignette=0.4, blur=1.6, motion=24, motion_angle=2),
    wet_below=392,
)
