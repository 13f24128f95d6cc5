"""Stations, cafés and shelves."""

from __future__ import annotations

from functools import partial

from drawing.materials import Colour, enamel, light_box, masonry, planks, plaster, slate

from .camera import Lens, Light, Pose, Shadow
from .parts import BLACK, WHITE, Bokeh, Disc, Fill, Lamp, Mark, Panel, Pole, Shade, Stroke, Text
from .scene import Plane, Scene
from .surface import Reads

TILES = partial(
    masonry,
    block=(46, 46),
    bond=0,
    joint=2,
    colours=((0.80, 0.82, 0.80),),
    joint_colour=(0.62, 0.63, 0.62),
    variety=0.015,
    rough=0.01,
)
LINE_BLUE = (0.02, 0.25, 0.58)
CHALK, CHALK_YELLOW, CHALK_PINK = (0.90, 0.90, 0.86), (0.95, 0.85, 0.45), (0.95, 0.62, 0.62)
LED_AMBER = (1.0, 0.62, 0.08)


def right_arrow(x: float, y: float, size: float, colour: Colour, own_light: float = 0, word: str | None = "→") -> Mark:
    """A bold arrow to the right, centred on (x, y)."""
    points = [(-1, -0.22), (0.1, -0.22), (0.1, -0.75), (1, 0), (0.1, 0.75), (0.1, 0.22), (-1, 0.22)]
    return Mark([(x + u * size / 2, y + v * size / 2) for u, v in points], colour, own_light, word)


SEOUL_STATION = Scene(
    size=(820, 560),
    planes=[
        Plane(
            (1000, 680),
            [
                Fill(TILES),
                Panel((0, 0, 1000, 70), partial(plaster, colour=(0.55, 0.56, 0.58))),
                Panel((0, 500, 1000, 530), LINE_BLUE),
                Panel((0, 600, 1000, 680), partial(plaster, colour=(0.36, 0.36, 0.37))),
                Shade((0, 580, 1000, 680), 0.4, 20),
                Panel(
                    (128, 175, 872, 420),
                    partial(light_box, colour=(0.96, 0.97, 0.97)),
                    10,
                    (0.40, 0.42, 0.44),
                    7,
                    shadow=0.45,
                    depth=10,
                    own_light=0.22,
                ),
                Panel((127, 330, 873, 362), LINE_BLUE, own_light=0.15),
                Disc(232, 346, 30, WHITE, 0.2),
                Disc(232, 346, 25, LINE_BLUE, 0.15),
                Text("133", 232, 355, 24, "sans bold", WHITE, own_light=0.2),
                Text("서울역", 500, 292, 102, "korean", (0.08, 0.09, 0.12), own_light=0.1),
                Text("Seoul Station", 430, 400, 30, "sans bold", (0.08, 0.09, 0.12), own_light=0.1),
                Text("首尔站", 650, 400, 28, "chinese", (0.08, 0.09, 0.12), own_light=0.1),
                Text("시청", 168, 318, 26, "korean", (0.25, 0.27, 0.30), own_light=0.1, anchor="l"),
                Text("남영", 832, 318, 26, "korean", (0.25, 0.27, 0.30), own_light=0.1, anchor="r"),
                Text("←", 172, 268, 42, "arrows", (0.25, 0.27, 0.30), own_light=0.1, anchor="l"),
                Text("KTX역", 770, 268, 30, "korean", (0.70, 0.10, 0.16), own_light=0.1),
                Panel((640, 535, 760, 590), (0.97, 0.80, 0.10), 4),
                Text("나가는 곳", 700, 572, 26, "korean", BLACK),
            ],
            pose=Pose(418, 300, 1060, yaw=-20, pitch=2),
            bleed=120,
        ),
        Plane(
            (820, 120),
            [
                Panel((0, 0, 820, 70), partial(plaster, colour=(0.30, 0.31, 0.33))),
                *[Panel((40 + 200 * k, 24, 190 + 200 * k, 40), (1, 1, 0.97), 4, own_light=1) for k in range(4)],
            ],
            corners=[(-60, -40), (900, -70), (860, 90), (-20, 62)],
            shadow=Shadow(0, 10, 14, 0.4),
        ),
    ],
    light=Light(0.95, (0.97, 1.0, 1.02), falloff=0.25, angle=80),
    lens=Lens(bloom=0.2),
)

CAFE_BLACKBOARD = Scene(
    size=(700, 700),
    planes=[
        Plane(
            (700, 700),
            [
                Fill(
                    partial(masonry, colours=((0.72, 0.66, 0.60), (0.66, 0.58, 0.52)), joint_colour=(0.75, 0.72, 0.68))
                ),
                Lamp(120, 40, 150, (1.0, 0.80, 0.50), 0.35),
                Bokeh((0, 30, 700, 160), 7, (14, 24), ((1.0, 0.80, 0.45),), 0.7),
            ],
            defocus=4,
        ),
        Plane(
            (700, 160),
            [Fill(partial(planks, colour=(0.42, 0.27, 0.16), plank=50))],
            corners=[(0, 575), (700, 575), (860, 720), (-160, 720)],
            defocus=2,
        ),
        Plane(
            (460, 560),
            [
                Panel((0, 0, 460, 560), partial(planks, colour=(0.50, 0.33, 0.19), plank=26), 4),
                Panel((26, 26, 434, 534), slate, 2),
                Shade((26, 20, 434, 34), 0.6, 5),
                Text("Caffè Roma", 230, 110, 62, "display italic", CHALK_YELLOW, finish="chalk"),
                Stroke([(90, 132), (370, 130)], 3, CHALK),
                Text("Espresso", 58, 196, 36, "serif italic", CHALK, "l", finish="chalk"),
                Text("€ 1,20", 402, 196, 36, "serif italic", CHALK, "r", finish="chalk"),
                Text("Cappuccino", 58, 252, 36, "serif italic", CHALK, "l", finish="chalk"),
                Text("€ 1,80", 402, 252, 36, "serif italic", CHALK, "r", finish="chalk"),
                Text("Cornetto", 58, 308, 36, "serif italic", CHALK, "l", finish="chalk"),
                Text("€ 1,50", 402, 308, 36, "serif italic", CHALK, "r", finish="chalk"),
                Text('"Tiramisù"', 58, 364, 36, "serif italic", CHALK_PINK, "l", finish="chalk"),
                Text("€ 4,50", 402, 364, 36, "serif italic", CHALK_PINK, "r", finish="chalk"),
                Text("Oggi: torta, gelato", 230, 440, 34, "serif", CHALK, finish="chalk"),
                Text("& vino", 230, 488, 34, "serif", CHALK, finish="chalk"),
                Text("coperto incluso", 230, 518, 14, "serif italic", CHALK, finish="chalk", reads=Reads.BARELY),
            ],
            pose=Pose(355, 350, 480, yaw=13, pitch=-6, roll=-2),
            shadow=Shadow(14, 12, 10, 0.6),
        ),
    ],
    light=Light(1.0, (1.08, 0.98, 0.84), falloff=0.35, angle=50),
)

AIRPORT_DEPARTURES = Scene(
    size=(820, 540),
    planes=[
        Plane(
            (820, 540),
            [
                Fill(partial(plaster, colour=(0.30, 0.32, 0.36), stains=0.02)),
                *[Panel((60 * k - 20, 0, 60 * k + 20, 70), (0.9, 0.95, 1.0), own_light=0.5) for k in range(15)],
                Panel((0, 400, 820, 540), partial(plaster, colour=(0.46, 0.46, 0.47))),
                Bokeh((0, 300, 820, 460), 30, (8, 22), ((0.9, 0.95, 1.0), (1.0, 0.85, 0.6), (0.4, 0.6, 0.9)), 0.35),
            ],
            defocus=7,
        ),
        Plane(
            (40, 200),
            [Pole(8, 0, 200, 4), Pole(32, 0, 200, 4)],
            corners=[(200, -30), (620, -30), (620, 110), (200, 110)],
            defocus=0.8,
        ),
        Plane(
            (760, 430),
            [
                Panel((0, 0, 760, 430), partial(enamel, colour=(0.10, 0.10, 0.11)), 8),
                Panel((16, 16, 744, 92), partial(enamel, colour=(0.95, 0.74, 0.08)), 3, own_light=0.12),
                Text("Departures", 36, 70, 46, "sans bold", BLACK, "l", own_light=0.05),
                Text("المغادرة", 724, 68, 50, "arabic", BLACK, "r", own_light=0.05),
                *[Panel((16, 104 + 64 * k, 744, 162 + 64 * k), (0.035, 0.035, 0.04), 2) for k in range(5)],
                *[
                    part
                    for k, (time, city, arabic, flight, colour) in enumerate(
                        [
                            ("09:40", "Cairo", "القاهرة", "MS 778", LED_AMBER),
                            ("10:05", "Paris", "باريس", "AF 1021", LED_AMBER),
                            ("10:20", "Dubai", "دبي", "EK 004", LED_AMBER),
                            ("10:55", "Tunis", "تونس", "TU 216", (0.35, 1.0, 0.35)),
                            ("11:30", "Beirut", "بيروت", "ME 202", LED_AMBER),
                        ]
                    )
                    for part in (
                        Text(time, 34, 148 + 64 * k, 38, "mono", colour, "l", finish="led"),
                        Text(city, 190, 148 + 64 * k, 38, "mono", colour, "l", finish="led"),
                        Text(arabic, 530, 146 + 64 * k, 40, "arabic", colour, "r", finish="led"),
                        Text(flight, 728, 148 + 64 * k, 34, "mono", colour, "r", finish="led"),
                    )
                ],
            ],
            pose=Pose(412, 290, 700, yaw=16, pitch=-7, roll=-1),
        ),
    ],
    light=Light(0.8, (0.95, 0.98, 1.05), falloff=0.2),
    lens=Lens(bloom=0.25, vignette=0.35),
)

TEA_SHELF = Scene(
    size=(760, 570),
    planes=[
        Plane(
            (900, 660),
            [
                Fill(partial(planks, colour=(0.52, 0.38, 0.25), plank=70)),
                Shade((0, 0, 900, 120), 0.5, 50),
                Panel((0, 520, 900, 560), partial(planks, colour=(0.60, 0.44, 0.29), plank=40)),
                Panel((0, 560, 900, 660), (0.10, 0.08, 0.07)),
                *[
                    part
                    for x, face, ink, han, latin, font in [
                        (120, (0.10, 0.33, 0.20), (0.95, 0.88, 0.60), "龙井茶", "GREEN TEA", "chinese serif"),
                        (345, (0.66, 0.12, 0.10), (0.98, 0.90, 0.62), "红茶", "BLACK TEA", "chinese serif"),
                        (570, (0.93, 0.90, 0.80), (0.20, 0.28, 0.14), "抹茶", "MATCHA", "japanese serif"),
                    ]
                    for part in (
                        Panel((x, 190, x + 190, 520), partial(enamel, colour=face), 5, shadow=0.55, depth=12),
                        Panel((x + 14, 206, x + 176, 504), partial(enamel, colour=face), 3, ink, 2),
                        Text(han, x + 95, 238, 56 if len(han) == 3 else 74, font, ink, vertical=True),
                        Text(latin, x + 95, 448, 23, "sans bold", ink),
                        Text("net 250 g", x + 95, 484, 16, "serif", ink, reads=Reads.BARELY),
                    )
                ],
                Panel((175, 526, 275, 556), (0.96, 0.95, 0.90)),
                Text("$ 6.90", 225, 549, 21, "sans bold"),
                Panel((620, 526, 720, 556), (0.96, 0.95, 0.90)),
                Text("$ 8.50", 670, 549, 21, "sans bold"),
            ],
            pose=Pose(380, 285, 900, yaw=14, pitch=4),
            bleed=120,
        ),
    ],
    light=Light(1.05, (1.06, 0.98, 0.86), falloff=0.3, angle=20),
)

JAPANESE_EXIT = Scene(
    size=(800, 500),
    planes=[
        Plane(
            (800, 500),
            [
                Fill(partial(plaster, colour=(0.48, 0.49, 0.50), stains=0.02)),
                *[Panel((k * 130 - 10, 0, k * 130 + 70, 40), (1, 1, 0.97), 4, own_light=0.7) for k in range(7)],
                Panel((0, 330, 800, 500), partial(plaster, colour=(0.55, 0.53, 0.50))),
                *[
                    Panel((90 + 210 * k, 120, 130 + 210 * k, 380), partial(plaster, colour=(0.62, 0.62, 0.62)))
                    for k in range(4)
                ],
                Bokeh((0, 180, 800, 330), 22, (10, 20), ((0.95, 0.95, 1.0), (1.0, 0.85, 0.55), (0.45, 0.85, 0.6)), 0.5),
            ],
            defocus=6,
        ),
        Plane(
            (60, 200),
            [Pole(6, 0, 200, 1.6), Pole(54, 0, 200, 1.6)],
            corners=[(180, -20), (640, -20), (640, 140), (180, 140)],
        ),
        Plane(
            (700, 230),
            [
                Panel(
                    (0, 0, 700, 230),
                    partial(light_box, colour=(0.99, 0.80, 0.06)),
                    6,
                    (0.22, 0.22, 0.24),
                    6,
                    own_light=0.22,
                ),
                Text("出口", 150, 132, 118, "japanese", BLACK),
                Text("Exit", 150, 195, 50, "sans bold", BLACK),
                right_arrow(336, 92, 92, BLACK),
                Panel((420, 22, 674, 208), partial(light_box, colour=(0.97, 0.97, 0.96)), 4, own_light=0.22),
                Text("JR線", 440, 82, 50, "japanese", (0.02, 0.42, 0.22), "l"),
                Text("きっぷうりば", 440, 130, 36, "japanese", BLACK, "l"),
                Text("Tickets & Tours", 440, 164, 22, "sans bold", BLACK, "l"),
                Text("駅構内禁煙", 440, 196, 18, "japanese light", (0.6, 0.1, 0.1), "l"),
            ],
            pose=Pose(405, 230, 690, yaw=-17, pitch=-6, roll=1),
            shadow=Shadow(6, 14, 12, 0.3),
        ),
        Plane(
            (90, 26),
            [
                Panel((0, 0, 90, 26), (0.10, 0.35, 0.65), 2),
                Text("INFO DESK", 45, 18, 13, "narrow", WHITE, reads=Reads.NOT, script="None"),
            ],
            pose=Pose(110, 420, 80),
            defocus=1.6,
        ),
    ],
    light=Light(0.9, (0.98, 1.0, 1.0), falloff=0.15),
    lens=Lens(bloom=0.2),
)
