"""Street scenes in daylight."""

from functools import partial
from math import cos, pi, sin

from drawing.materials import Colour, Material, asphalt, enamel, light_box, masonry, meadow, paper, planks, plaster, sky

from .camera import Light, Pose, Shadow
from .parts import (
    BLACK,
    WHITE,
    Awning,
    Disc,
    Fill,
    Foliage,
    Fruit,
    Houses,
    Lamp,
    Mark,
    Panel,
    Pole,
    Shade,
    Tape,
    Text,
    Window,
)
from .scene import Plane, Scene
from .surface import Reads

BRICK = partial(masonry, colours=((0.56, 0.27, 0.20), (0.50, 0.22, 0.17), (0.62, 0.33, 0.24)), rough=0.06)
ASHLAR = partial(
    masonry,
    block=(190, 84),
    joint=2.2,
    colours=((0.76, 0.70, 0.59), (0.72, 0.66, 0.55)),
    joint_colour=(0.60, 0.55, 0.47),
    variety=0.035,
    rough=0.035,
)
BLUE = (0.05, 0.19, 0.47)
RED = (0.74, 0.09, 0.10)
BOOK_COLOURS = (
    (0.60, 0.16, 0.13),
    (0.20, 0.34, 0.44),
    (0.75, 0.66, 0.42),
    (0.25, 0.40, 0.26),
    (0.70, 0.42, 0.18),
    (0.30, 0.24, 0.36),
    (0.72, 0.70, 0.62),
    (0.16, 0.20, 0.28),
)
CROSS = [
    (-15, -45),
    (15, -45),
    (15, -15),
    (45, -15),
    (45, 15),
    (15, 15),
    (15, 45),
    (-15, 45),
    (-15, 15),
    (-45, 15),
    (-45, -15),
    (-15, -15),
]
CIRCLE = [(cos(2 * pi * k / 72), sin(2 * pi * k / 72)) for k in range(72)]


def country_road(
    width: int,
    height: int,
    horizon: int,
    *,
    clouds: float = 0.62,
    leaf: Colour = (0.22, 0.32, 0.13),
    grass: Material = meadow,
    road: tuple[float, float, float, float] = (0.64, 0.67, 1.2, 0.43),
    top: Colour = (0.24, 0.46, 0.78),
    foot: Colour = (0.74, 0.85, 0.93),
) -> list[Plane]:
    """Sky, trees and a road through grass, out of focus behind a sign.

    ``road`` is where it lies, in picture widths: its far end's two sides, its near end's right and left side.
    """
    crown = height * 0.17
    return [
        Plane(
            (width, height),
            [
                Fill(partial(sky, clouds=clouds, top=top, foot=foot)),
                Foliage((-40, horizon - crown, width * 0.40, horizon + 20), 7, 2600, leaf),
                Foliage((width * 0.52, horizon - crown * 0.7, width + 60, horizon + 20), 6, 2200, leaf),
            ],
            defocus=1.6,
        ),
        Plane(
            (width, height - horizon + 10),
            [Fill(grass)],
            corners=[(0, horizon - 8), (width, horizon), (width, height), (0, height)],
            defocus=1.1,
        ),
        Plane(
            (400, 1600),
            [
                Fill(asphalt),
                Panel((20, 0, 32, 1600), (0.80, 0.80, 0.77)),
                Panel((368, 0, 380, 1600), (0.80, 0.80, 0.77)),
                *[Panel((195, y, 205, y + 70), (0.80, 0.80, 0.77)) for y in range(20, 1600, 150)],
            ],
            corners=[(width * x, y) for x, y in zip(road, (horizon - 1, horizon - 1, height + 80, height + 80))],
            defocus=1.0,
        ),
    ]


PARIS_STREET_PLATES = Scene(
    size=(800, 600),
    planes=[
        Plane(
            size=(1100, 760),
            pose=Pose(440, 300, 1200, yaw=24, pitch=-3, roll=-1),
            bleed=120,
            parts=[
                Fill(ASHLAR),
                Window((40, 180, 250, 640), frame=(0.86, 0.85, 0.80), bars=(2, 3)),
                Shade((30, 640, 270, 656), 0.5, 6),
                Panel(
                    (300, 150, 820, 370),
                    partial(enamel, colour=BLUE),
                    6,
                    (0.08, 0.30, 0.20),
                    13,
                    shadow=0.6,
                    depth=9,
                    bolts=True,
                ),
                Panel((316, 166, 804, 354), partial(enamel, colour=BLUE), 3, WHITE, 2.5),
                Text("4e Arrt", 560, 208, 34, "serif", WHITE),
                Text("RUE DES", 560, 270, 58, "serif bold", WHITE),
                Text("ARCHIVES", 560, 335, 66, "serif bold", WHITE),
                Panel(
                    (640, 420, 800, 500), partial(enamel, colour=(0.90, 0.89, 0.84)), 4, BLUE, 4, shadow=0.5, depth=5
                ),
                Text("N° 12 bis", 720, 472, 34, "serif bold", BLUE),
                Panel((300, 470, 560, 640), partial(paper, colour=(0.88, 0.86, 0.78)), shadow=0.35, depth=2),
                Text("DÉFENSE", 430, 520, 38, "sans black", RED),
                Text("D’AFFICHER", 430, 564, 38, "sans black", RED),
                Text("Loi du 29 juillet 1881", 430, 606, 17, "serif", BLACK, reads=Reads.BARELY),
            ],
        ),
    ],
    light=Light(1.08, (1.0, 0.97, 0.90), falloff=0.25, angle=35, leaf_shadow=0.42),
)

GERMAN_ROAD_SIGNS = Scene(
    size=(840, 560),
    planes=[
        *country_road(840, 560, 400),
        Plane(
            (60, 400),
            [Pole(12, 0, 400, 3), Pole(48, 0, 400, 3)],
            corners=[(120, 150), (420, 150), (420, 590), (120, 590)],
        ),
        Plane(
            (360, 230),
            [
                Panel((0, 0, 360, 230), partial(enamel, colour=(0.96, 0.78, 0.12)), 12, BLACK, 4, inset=4),
                Text("Hamburg", 30, 66, 46, "sans bold", anchor="l"),
                Text("24", 335, 66, 46, "sans bold", anchor="r"),
                Text("Lüneburg", 30, 130, 46, "sans bold", anchor="l"),
                Text("57", 335, 130, 46, "sans bold", anchor="r"),
                Text("Bremen", 30, 194, 46, "sans bold", anchor="l"),
                Text("103", 335, 194, 46, "sans bold", anchor="r"),
            ],
            pose=Pose(275, 205, 350, yaw=-15, pitch=3, roll=-1.5),
            shadow=Shadow(3, 6, 6, 0.25),
        ),
        Plane(
            (120, 60),
            [
                Panel((0, 0, 120, 60), partial(enamel, colour=(0.10, 0.30, 0.62)), 8, WHITE, 3, inset=3),
                Text("A 7", 44, 43, 38, "sans bold", WHITE),
                Mark([(82, 20), (104, 20), (104, 42), (98, 36), (88, 47), (82, 41), (92, 31)], WHITE, word="↗"),
            ],
            pose=Pose(352, 372, 120, yaw=-15, pitch=3, roll=-1.5),
            shadow=Shadow(2, 3, 3, 0.25),
        ),
        Plane(
            (100, 34),
            [
                Panel((0, 0, 100, 34), partial(enamel, colour=WHITE), 3, BLACK, 1.5, inset=1.5),
                Text("Umleitung", 50, 24, 19, "narrow"),
            ],
            pose=Pose(205, 364, 104, yaw=-15, pitch=3, roll=1.0),
        ),
    ],
    light=Light(1.05, (1.0, 0.98, 0.94), falloff=0.12, angle=80),
)

ARABIC_PHARMACY = Scene(
    size=(800, 600),
    planes=[
        Plane(
            size=(1000, 760),
            pose=Pose(404, 306, 1030, yaw=-18, pitch=2, roll=0.6),
            bleed=120,
            parts=[
                Fill(partial(plaster, colour=(0.86, 0.78, 0.63), stains=0.04)),
                Window((150, 400, 420, 740), (0.72, 0.73, 0.72), 7, (2, 1)),
                Window((580, 400, 890, 740), (0.72, 0.73, 0.72), 7, (2, 1)),
                Panel((438, 400, 562, 760), (0.60, 0.62, 0.62), 0, (0.75, 0.76, 0.76), 6),
                Window((450, 415, 550, 720), (0.70, 0.71, 0.70), 5),
                Panel(
                    (152, 160, 895, 330),
                    partial(light_box, colour=(0.93, 0.97, 0.93)),
                    6,
                    (0.04, 0.42, 0.26),
                    8,
                    shadow=0.55,
                    depth=12,
                    own_light=0.10,
                ),
                Text("صيدلية الشفاء", 862, 258, 66, "kufi", (0.03, 0.40, 0.24), anchor="r", finish="raised"),
                Text("PHARMACIE AL-CHIFA", 862, 312, 31, "sans bold", (0.15, 0.17, 0.20), anchor="r", spacing=3),
                Panel((172, 182, 312, 308), (0.03, 0.40, 0.24), 10),
                Mark([(x + 242, y + 245) for x, y in CROSS], WHITE, word="+"),
                Panel((190, 440, 310, 520), partial(paper, colour=(0.95, 0.94, 0.90)), 2, (0.75, 0.12, 0.12), 4),
                Text("مفتوح", 250, 476, 34, "arabic", (0.72, 0.08, 0.10)),
                Text("24/24", 250, 512, 22, "sans bold", (0.15, 0.15, 0.17)),
                Text("تخفيضات", 735, 560, 58, "naskh", (0.96, 0.95, 0.90)),
                Text("-20%", 735, 640, 62, "sans black", (0.98, 0.84, 0.22)),
            ],
        ),
    ],
    light=Light(1.12, (1.04, 0.97, 0.86), falloff=0.16, angle=70, edge_shadow=0.45, edge_at=0.76),
)

NOTICES_ON_BRICK = Scene(
    size=(720, 540),
    planes=[
        Plane(
            size=(900, 700),
            pose=Pose(352, 274, 890, yaw=9, pitch=2, roll=1.5),
            bleed=120,
            parts=[
                Fill(BRICK),
                Panel((130, 130, 400, 520), partial(paper, colour=(0.93, 0.91, 0.85)), shadow=0.4, depth=4),
                Text("LOST CAT", 265, 195, 54, "sans black", (0.72, 0.08, 0.08)),
                Panel((185, 215, 345, 345), (0.62, 0.58, 0.52)),
                Mark(
                    [(215, 345), (222, 270), (214, 236), (240, 256), (266, 256), (292, 234), (286, 272), (300, 345)],
                    (0.17, 0.15, 0.14),
                ),
                Disc(239, 281, 6, (0.86, 0.78, 0.25)),
                Disc(268, 281, 6, (0.86, 0.78, 0.25)),
                Text('"Minka", black,', 265, 390, 32, "serif bold"),
                Text("green eyes", 265, 428, 32, "serif bold"),
                Text("Reward: £50, please call", 265, 463, 20, "serif"),
                Text("020 7946 0018", 265, 500, 31, "mono"),
                Tape([(150, 118), (112, 152)], 18),
                Tape([(380, 118), (420, 150)], 18),
                Panel(
                    (460, 170, 780, 400),
                    partial(enamel, colour=(0.93, 0.93, 0.90)),
                    8,
                    RED,
                    9,
                    shadow=0.55,
                    depth=5,
                    bolts=True,
                ),
                Text("NO PARKING", 620, 250, 45, "sans black", RED),
                Text("Gates in use", 620, 306, 36, "sans bold"),
                Text("day & night", 620, 354, 36, "sans bold"),
                Panel((500, 440, 720, 600), partial(paper, colour=(0.86, 0.83, 0.30)), shadow=0.35, depth=3),
                Text("YARD SALE", 610, 495, 37, "sans black"),
                Text("Sat, 10–4", 610, 540, 34, "sans italic", (0.10, 0.15, 0.45)),
                Text("rear of no. 9", 610, 572, 11, "sans", reads=Reads.NOT),
                Tape([(596, 428), (628, 452)], 18),
            ],
        ),
    ],
    light=Light(1.12, (1.0, 0.96, 0.88), falloff=0.3, angle=25, leaf_shadow=0.35),
)

BANGLA_TEA_STALL = Scene(
    size=(600, 800),
    planes=[
        Plane(
            size=(600, 800),
            pose=Pose(300, 400, 640, yaw=-9, pitch=1),
            bleed=120,
            parts=[
                Fill(partial(planks, colour=(0.34, 0.40, 0.36), upright=True, plank=52)),
                Panel((50, 300, 550, 640), partial(planks, colour=(0.20, 0.14, 0.10))),
                Lamp(300, 340, 60, (1.0, 0.80, 0.48), 0.5),
                Shade((40, 285, 560, 330), 0.6, 14),
                Panel((50, 470, 550, 478), partial(planks, colour=(0.42, 0.30, 0.20))),
                *[
                    Pole(88 + 52 * k, 408 + 6 * (k % 3), 470, 38, c)
                    for k, c in enumerate(
                        [
                            (0.72, 0.30, 0.16),
                            (0.75, 0.62, 0.30),
                            (0.33, 0.45, 0.25),
                            (0.70, 0.25, 0.20),
                            (0.80, 0.70, 0.45),
                            (0.36, 0.42, 0.52),
                            (0.74, 0.50, 0.18),
                            (0.60, 0.22, 0.20),
                            (0.72, 0.64, 0.36),
                        ]
                    )
                ],
                Fruit((60, 560, 300, 640), 24, (0.93, 0.70, 0.14)),
                Fruit((300, 560, 545, 640), 22, (0.55, 0.62, 0.16)),
                Panel((30, 640, 570, 800), partial(planks, colour=(0.40, 0.25, 0.15), plank=40), shadow=0.5),
                Panel(
                    (60, 112, 540, 262),
                    partial(enamel, colour=(0.72, 0.10, 0.09), dirt=0.06),
                    4,
                    (0.93, 0.74, 0.18),
                    6,
                    inset=5,
                    shadow=0.5,
                    depth=8,
                ),
                Text("চা দোকান", 300, 210, 88, "bangla", (0.98, 0.90, 0.55)),
                Text("শুভ সকাল", 300, 249, 26, "bangla medium", WHITE),
                Panel((90, 665, 265, 755), partial(paper, colour=(0.93, 0.90, 0.78)), 2, shadow=0.5, depth=3),
                Text("দুধ চা", 178, 704, 34, "bangla", (0.40, 0.10, 0.08)),
                Text("১০ টাকা", 178, 744, 32, "bangla", (0.08, 0.10, 0.30)),
                Panel((330, 665, 510, 755), partial(paper, colour=(0.95, 0.88, 0.62)), 2, shadow=0.5, depth=3),
                Text("বিস্কুট", 420, 704, 34, "bangla", (0.05, 0.30, 0.15)),
                Text("৫ টাকা", 420, 744, 32, "bangla", (0.08, 0.10, 0.30)),
                Panel((395, 500, 470, 548), (0.88, 0.88, 0.84), 3),
                Text("বাকি নাই", 432, 530, 19, "bangla", RED),
            ],
        ),
        Plane(
            size=(600, 120),
            corners=[(-20, -66), (620, -86), (640, 58), (-30, 72)],
            parts=[Awning((20, -10, 580, 84), ((0.15, 0.38, 0.55), (0.90, 0.86, 0.74)), 12, 20, 24)],
            shadow=Shadow(0, 14, 10, 0.5),
        ),
    ],
    light=Light(1.15, (1.05, 0.97, 0.86), falloff=0.15, angle=90),
)

MARKET_STALL = Scene(
    size=(800, 600),
    planes=[
        Plane((800, 600), [Fill(partial(plaster, colour=(0.42, 0.40, 0.38))), Houses((0, 0, 800, 260), 4)], defocus=5),
        Plane(
            (800, 90),
            [Awning((-20, -40, 820, 44), ((0.10, 0.42, 0.24), (0.92, 0.90, 0.84)), 16, 10, 24)],
            corners=[(0, 0), (800, 0), (800, 90), (0, 90)],
            defocus=0.8,
        ),
        Plane(
            size=(900, 460),
            corners=[(20, 210), (780, 210), (930, 640), (-130, 640)],
            parts=[
                Fill(partial(planks, colour=(0.36, 0.24, 0.15))),
                Fruit((20, 20, 300, 230), 22, (0.86, 0.20, 0.13)),
                Fruit((310, 20, 590, 230), 22, (0.95, 0.55, 0.10)),
                Fruit((600, 20, 880, 230), 20, (0.62, 0.72, 0.18)),
                Fruit((20, 245, 440, 455), 24, (0.95, 0.80, 0.18)),
                Fruit((455, 245, 880, 455), 20, (0.45, 0.14, 0.22)),
            ],
        ),
        *[
            Plane(
                (150, 100),
                [
                    Panel((0, 0, 150, 100), partial(paper, colour=colour), 3, (0.30, 0.24, 0.16), 2),
                    Text(name, 75, 41, 28, "serif bold"),
                    Text(price, 68, 86, 40, "sans black", RED),
                ],
                pose=Pose(x, y, width, yaw=yaw, pitch=-12, roll=roll),
                shadow=Shadow(4, 7, 5, 0.6),
            )
            for name, price, x, y, width, yaw, roll, colour in [
                ("Äpfel", "2,49 €", 150, 292, 128, 10, -2, (0.95, 0.93, 0.84)),
                ("Orangen", "1,99 €", 400, 286, 128, 0, 2, (0.97, 0.90, 0.55)),
                ("Birnen", "2,99 €", 652, 290, 128, -8, -1, (0.95, 0.93, 0.84)),
                ("Zitronen", "0,45 €", 215, 452, 176, 8, 3, (0.97, 0.90, 0.55)),
                ("Pflaumen", "3,20 €", 590, 462, 170, -10, -2, (0.95, 0.93, 0.84)),
            ]
        ],
        Plane(
            (420, 70),
            [
                Panel((0, 0, 420, 70), partial(planks, colour=(0.28, 0.18, 0.11), plank=70), 4),
                Text("Obst & Gemüse vom Bodensee", 210, 45, 27, "serif italic", (0.96, 0.92, 0.80)),
            ],
            pose=Pose(400, 150, 440, roll=-0.7),
            shadow=Shadow(4, 8, 6, 0.5),
        ),
    ],
    light=Light(1.1, (1.03, 0.98, 0.9), falloff=0.18, angle=80),
)

BANGLA_HIGHWAY = Scene(
    size=(840, 560),
    planes=[
        *country_road(
            840,
            560,
            430,
            clouds=0.75,
            leaf=(0.15, 0.27, 0.10),
            road=(0.30, 0.33, 0.62, -0.30),
            top=(0.42, 0.47, 0.66),
            foot=(0.99, 0.80, 0.58),
        ),
        Plane(
            (60, 400),
            [Pole(10, 0, 400, 2.4), Pole(50, 0, 400, 2.4)],
            corners=[(150, 120), (640, 120), (640, 590), (150, 590)],
        ),
        Plane(
            (500, 270),
            [
                Panel((0, 0, 500, 270), partial(enamel, colour=(0.02, 0.36, 0.22)), 12, WHITE, 5, inset=6),
                Text("ঢাকা", 36, 88, 58, "bangla", WHITE, "l"),
                Text("২৪ কিমি", 464, 88, 50, "bangla", WHITE, "r"),
                Text("Dhaka", 36, 134, 32, "sans bold", WHITE, "l"),
                Text("চট্টগ্রাম", 36, 204, 52, "bangla", WHITE, "l"),
                Text("২৬৫ কিমি", 464, 204, 50, "bangla", WHITE, "r"),
                Text("Chattogram", 36, 246, 32, "sans bold", WHITE, "l"),
                Mark(
                    [(330, 224), (394, 224), (394, 212), (430, 232), (394, 252), (394, 240), (330, 240)],
                    WHITE,
                    word="→",
                ),
            ],
            pose=Pose(420, 228, 580, yaw=15, pitch=4, roll=0.8),
            shadow=Shadow(3, 6, 6, 0.25),
        ),
    ],
    light=Light(0.98, (1.08, 0.96, 0.84), falloff=0.15, angle=20),
)

ARABIC_STOP = Scene(
    size=(600, 760),
    planes=[
        *country_road(
            600,
            760,
            600,
            clouds=0.25,
            leaf=(0.40, 0.40, 0.20),
            grass=partial(meadow, colour=(0.66, 0.54, 0.36), dry=(0.76, 0.65, 0.46)),
        ),
        Plane(
            (30, 500),
            [Pole(15, 0, 500, 15, (0.60, 0.60, 0.58))],
            corners=[(262, 200), (290, 200), (296, 790), (266, 790)],
        ),
        Plane(
            (300, 300),
            [
                Mark([(88, 0), (212, 0), (300, 88), (300, 212), (212, 300), (88, 300), (0, 212), (0, 88)], WHITE),
                Mark([(92, 9), (208, 9), (291, 92), (291, 208), (208, 291), (92, 291), (9, 208), (9, 92)], RED),
                Text("قف", 150, 136, 104, "arabic", WHITE),
                Text("STOP", 150, 242, 76, "narrow black", WHITE),
            ],
            pose=Pose(280, 260, 360, yaw=14, pitch=3, roll=2),
            shadow=Shadow(3, 8, 5, 0.35),
        ),
        Plane(
            (200, 74),
            [
                Panel((0, 0, 200, 74), partial(enamel, colour=WHITE), 6, BLACK, 2, inset=3),
                Text("جمارك", 58, 47, 32, "arabic"),
                Text("300 m", 146, 48, 25, "sans bold"),
            ],
            pose=Pose(283, 500, 220, yaw=14, pitch=3),
            shadow=Shadow(3, 5, 4, 0.3),
        ),
    ],
    light=Light(1.1, (1.04, 0.98, 0.90), falloff=0.1, angle=80),
)

CHINESE_BOOKSHOP = Scene(
    size=(600, 800),
    planes=[
        Plane(
            (700, 940),
            [
                Fill(
                    partial(
                        masonry,
                        block=(58, 22),
                        colours=((0.46, 0.46, 0.45), (0.41, 0.42, 0.42)),
                        joint_colour=(0.62, 0.61, 0.58),
                        variety=0.06,
                    )
                ),
                Panel(
                    (90, 90, 610, 250),
                    partial(planks, colour=(0.20, 0.11, 0.07), plank=160),
                    4,
                    (0.72, 0.55, 0.22),
                    6,
                    shadow=0.6,
                    depth=12,
                ),
                Text("新华书店", 350, 208, 104, "chinese serif", (0.93, 0.74, 0.28), finish="raised"),
                Window((180, 340, 520, 860), (0.36, 0.13, 0.09), 14, (2, 3), own_light=0.05),
                *[
                    Panel((206 + 31 * k, 700 - 9 * (k % 4), 232 + 31 * k, 830), c, 1)
                    for k, c in enumerate(
                        [
                            (0.60, 0.16, 0.13),
                            (0.20, 0.34, 0.44),
                            (0.75, 0.66, 0.42),
                            (0.25, 0.40, 0.26),
                            (0.70, 0.42, 0.18),
                            (0.30, 0.24, 0.36),
                            (0.72, 0.70, 0.62),
                            (0.52, 0.13, 0.16),
                            (0.20, 0.28, 0.36),
                        ]
                    )
                ],
                *[
                    Panel(
                        (x, 330, x + 80, 800),
                        partial(enamel, colour=(0.66, 0.07, 0.06)),
                        2,
                        (0.85, 0.64, 0.25),
                        3,
                        inset=4,
                        shadow=0.5,
                        depth=5,
                    )
                    for x in (80, 540)
                ],
                Text("读万卷书", 120, 350, 72, "chinese serif", (0.95, 0.80, 0.38), vertical=True),
                Text("行万里路", 580, 350, 72, "chinese serif", (0.95, 0.80, 0.38), vertical=True),
                Panel((270, 470, 430, 580), partial(paper, colour=(0.95, 0.93, 0.86)), 3, shadow=0.4, depth=3),
                Text("营业中", 350, 522, 40, "chinese", (0.65, 0.08, 0.07)),
                Text("BOOKS", 350, 565, 30, "sans bold"),
                Text("版权所有", 350, 840, 8, "chinese light", WHITE, reads=Reads.NOT),
                Panel((0, 880, 700, 940), partial(asphalt, colour=(0.40, 0.39, 0.37))),
            ],
            pose=Pose(304, 400, 700, yaw=-11, pitch=2, roll=0.5),
            bleed=120,
        ),
    ],
    light=Light(1.12, (1.04, 0.98, 0.88), falloff=0.2, angle=50, leaf_shadow=0.38),
)

POSTERS_ON_PLASTER = Scene(
    size=(820, 560),
    planes=[
        Plane(
            (1000, 700),
            [
                Fill(partial(plaster, colour=(0.62, 0.48, 0.38), rough=0.8, stains=0.10, streaks=0.02)),
                Panel((90, 110, 380, 550), partial(paper, colour=(0.90, 0.48, 0.16)), shadow=0.4, depth=3),
                Disc(235, 300, 92, (0.97, 0.84, 0.42)),
                Disc(235, 300, 60, (0.86, 0.22, 0.16)),
                Text("CONCERTO", 235, 180, 50, "narrow black", (0.12, 0.08, 0.20)),
                Text("D’ESTATE", 235, 435, 56, "narrow black", (0.12, 0.08, 0.20)),
                Text("Verdi, Puccini, Rossini", 235, 480, 23, "serif italic", (0.12, 0.08, 0.20)),
                Text("21 luglio 20:30", 235, 522, 29, "sans bold", WHITE),
                Panel((400, 130, 670, 520), partial(paper, colour=(0.86, 0.14, 0.20)), shadow=0.4, depth=3),
                Text("শুভ", 535, 222, 70, "bangla serif", (1.0, 0.90, 0.45)),
                Text("নববর্ষ", 535, 306, 76, "bangla serif", (1.0, 0.90, 0.45)),
                Text("বৈশাখী মেলা", 535, 390, 42, "bangla", WHITE),
                Text("প্রবেশ ফ্রি", 535, 446, 34, "bangla medium", WHITE),
                Text("Parco Centrale", 535, 492, 25, "sans bold", (1.0, 0.90, 0.45)),
                Panel((695, 105, 935, 440), partial(paper, colour=(0.12, 0.32, 0.42)), shadow=0.4, depth=3),
                Text("「夏祭り」", 815, 190, 46, "japanese serif", WHITE),
                Mark([(735, 370), (800, 235), (830, 290), (850, 265), (900, 370)], (0.90, 0.92, 0.94)),
                Text("Sushi & Sake", 815, 415, 31, "sans italic", (1.0, 0.82, 0.45)),
                Panel((705, 462, 900, 590), partial(paper, colour=(0.93, 0.91, 0.85)), shadow=0.35, depth=3),
                Text("AFFITTASI", 802, 508, 33, "sans black", RED),
                Text("tel. 06 5550 142", 802, 544, 22, "sans"),
                Text("no agenzie", 802, 572, 10, "serif", reads=Reads.NOT),
            ],
            pose=Pose(418, 282, 960, yaw=-16, pitch=3, roll=-1),
            bleed=120,
        ),
    ],
    light=Light(1.15, (1.05, 0.97, 0.86), falloff=0.2, angle=30, edge_shadow=0.42, edge_at=0.66),
)

KYOTO_TRAIL = Scene(
    size=(760, 570),
    planes=[
        Plane(
            (760, 570),
            [
                Fill(partial(plaster, colour=(0.17, 0.23, 0.10), streaks=0)),
                Foliage((-40, -40, 800, 420), 15, 3200, (0.40, 0.50, 0.20), 40),
                Foliage((300, -40, 800, 300), 13, 900, (0.72, 0.30, 0.10), 9),
            ],
            defocus=4,
        ),
        Plane(
            (760, 150),
            [Fill(partial(meadow, colour=(0.24, 0.30, 0.12), dry=(0.42, 0.34, 0.20)))],
            corners=[(0, 450), (760, 440), (760, 575), (0, 575)],
            defocus=2,
        ),
        Plane(
            (40, 400),
            [Panel((0, 0, 40, 400), partial(planks, colour=(0.38, 0.27, 0.18), plank=40, upright=True), 3)],
            corners=[(330, 90), (376, 90), (374, 580), (332, 580)],
        ),
        Plane(
            (460, 110),
            [
                Mark([(0, 0), (400, 0), (460, 55), (400, 110), (0, 110)], (0.46, 0.33, 0.21)),
                Text("清水寺", 28, 80, 72, "japanese serif", (0.96, 0.94, 0.86), "l"),
                Text("Kiyomizu-dera", 255, 52, 24, "sans bold", (0.96, 0.94, 0.86), "l"),
                Text("500 m", 255, 90, 28, "sans bold", (0.96, 0.94, 0.86), "l"),
                Text("→", 392, 92, 42, "arrows", (0.96, 0.94, 0.86)),
            ],
            pose=Pose(390, 190, 520, yaw=12, roll=-2),
            shadow=Shadow(5, 8, 5, 0.5),
        ),
        Plane(
            (400, 100),
            [
                Mark([(60, 0), (400, 0), (400, 100), (60, 100), (0, 50)], (0.40, 0.29, 0.19)),
                Text("茶屋", 220, 72, 60, "japanese serif", (0.96, 0.94, 0.86), "l"),
                Text("お休み処", 72, 64, 34, "japanese", (0.96, 0.94, 0.86), "l"),
            ],
            pose=Pose(330, 330, 430, yaw=12, roll=1.5),
            shadow=Shadow(5, 8, 5, 0.5),
        ),
    ],
    light=Light(1.1, (1.04, 1.0, 0.88), falloff=0.2, angle=60, leaf_shadow=0.30),
)

BUS_STOP = Scene(
    size=(600, 800),
    planes=[
        Plane(
            (600, 800),
            [
                Fill(partial(sky, clouds=0.8, foot=(0.86, 0.88, 0.90))),
                Houses((-20, 120, 620, 640), 3),
                Foliage((-60, 160, 170, 520), 9, 1700, (0.26, 0.36, 0.15)),
                Panel((0, 640, 600, 800), partial(asphalt, colour=(0.52, 0.51, 0.50))),
            ],
            defocus=5,
        ),
        Plane((30, 700), [Pole(15, 0, 700, 14)], corners=[(452, -20), (478, -20), (480, 830), (452, 830)]),
        Plane(
            (200, 200),
            [
                Mark([(100 + 98 * c, 100 + 98 * s) for c, s in CIRCLE], (0.02, 0.40, 0.22)),
                Mark([(100 + 84 * c, 100 + 84 * s) for c, s in CIRCLE], (0.98, 0.80, 0.10)),
                Text("H", 100, 152, 144, "sans black", (0.02, 0.40, 0.22)),
            ],
            pose=Pose(462, 125, 178, yaw=-14),
            shadow=Shadow(3, 6, 4, 0.35),
        ),
        Plane(
            (380, 520),
            [
                Panel((0, 0, 380, 520), (0.70, 0.71, 0.72), 10, (0.50, 0.52, 0.54), 4),
                Panel((16, 16, 364, 504), partial(paper, colour=(0.95, 0.95, 0.93), crumple=0.2), 3),
                Panel((16, 16, 364, 92), (0.78, 0.10, 0.14)),
                Text("Rathausplatz", 34, 66, 40, "sans bold", WHITE, "l"),
                Text("Linie 42", 34, 138, 36, "sans black", BLACK, "l"),
                Text("Richtung: Hauptbahnhof,", 34, 172, 20, "sans", BLACK, "l"),
                Text("Messe/Ost & Flughafen", 34, 200, 20, "sans", BLACK, "l"),
                *[Panel((34, 222 + 52 * k, 346, 246 + 52 * k), (0.84, 0.86, 0.88)) for k in range(5)],
                *[
                    Text(
                        f"{6 + k:02}  08  23  38  53".replace("  ", " "),
                        42,
                        241 + 26 * k,
                        17,
                        "mono",
                        BLACK,
                        "l",
                        spacing=22,
                        reads=Reads.BARELY if k > 4 else Reads.CLEARLY,
                    )
                    for k in range(9)
                ],
                Text("Samstag wie Sonntag, außer an Feiertagen", 34, 494, 10, "sans", BLACK, "l", reads=Reads.NOT),
            ],
            pose=Pose(282, 470, 400, yaw=16, pitch=3),
            shadow=Shadow(8, 8, 8, 0.4),
        ),
    ],
    light=Light(0.98, (0.97, 0.99, 1.03), falloff=0.15, angle=60),
)

KOREAN_CAFE = Scene(
    size=(820, 600),
    planes=[
        Plane(
            (1000, 760),
            [
                Fill(
                    partial(
                        masonry,
                        block=(70, 24),
                        colours=((0.82, 0.80, 0.76), (0.78, 0.75, 0.71)),
                        joint_colour=(0.70, 0.68, 0.64),
                        variety=0.03,
                    )
                ),
                Panel(
                    (130, 105, 870, 235), partial(planks, colour=(0.26, 0.18, 0.13), plank=34), 2, shadow=0.5, depth=8
                ),
                Text("카페 봄날", 400, 203, 94, "korean serif", (0.97, 0.92, 0.80), finish="raised"),
                Text("coffee", 755, 195, 46, "display italic", (0.97, 0.78, 0.46), finish="raised"),
                Window((140, 350, 520, 660), (0.18, 0.15, 0.13), 8, (3, 1)),
                Window((690, 340, 866, 720), (0.30, 0.17, 0.10), 14, (1, 2)),
                Text("커피 & 빵", 330, 470, 62, "korean", (0.97, 0.96, 0.92)),
                Text("아이스 라떼", 330, 540, 36, "korean light", (0.97, 0.96, 0.92)),
                Panel((545, 385, 665, 575), (0.10, 0.22, 0.18), 4, (0.80, 0.70, 0.45), 3, shadow=0.5, depth=4),
                Text("Wi-Fi존", 605, 432, 31, "korean", WHITE),
                Text("오전 9시", 605, 484, 27, "korean", (0.97, 0.85, 0.55)),
                Text("~", 605, 514, 30, "sans bold", (0.97, 0.85, 0.55)),
                Text("오후 10시", 605, 549, 27, "korean", (0.97, 0.85, 0.55)),
                Panel((722, 468, 834, 516), WHITE, 4),
                Text("미세요", 778, 503, 27, "korean", RED),
                Panel((0, 720, 1000, 760), partial(asphalt, colour=(0.48, 0.46, 0.44))),
                Foliage((60, 600, 210, 730), 9, 500, (0.26, 0.42, 0.16), 7),
                Foliage((440, 610, 560, 730), 9, 400, (0.26, 0.42, 0.16), 6),
                Awning((130, 262, 870, 322), ((0.74, 0.20, 0.17), (0.94, 0.91, 0.84)), 18, 24, 24),
            ],
            pose=Pose(405, 292, 990, yaw=17, pitch=2, roll=-0.6),
            bleed=120,
        ),
    ],
    light=Light(1.12, (1.03, 0.98, 0.90), falloff=0.18, angle=40, leaf_shadow=0.25),
)

ARABIC_BOOKSHOP = Scene(
    size=(800, 600),
    planes=[
        Plane(
            (960, 740),
            [
                Fill(partial(plaster, colour=(0.90, 0.87, 0.80), rough=0.5, stains=0.06, streaks=0.05)),
                Panel((0, 560, 960, 740), partial(plaster, colour=(0.24, 0.44, 0.60), rough=0.5, stains=0.08)),
                Panel(
                    (170, 100, 790, 265),
                    partial(
                        masonry,
                        block=(42, 42),
                        bond=0,
                        joint=1.2,
                        colours=((0.08, 0.30, 0.52), (0.07, 0.34, 0.56), (0.10, 0.27, 0.47)),
                        joint_colour=(0.60, 0.64, 0.66),
                        variety=0.05,
                    ),
                    4,
                    (0.85, 0.70, 0.35),
                    6,
                    shadow=0.4,
                    depth=5,
                ),
                Text("مكتبة النور", 480, 202, 88, "naskh", (0.98, 0.95, 0.86)),
                Text("LIBRAIRIE", 480, 251, 27, "serif bold", (0.98, 0.88, 0.55)),
                Panel(
                    (200, 310, 560, 650), partial(planks, colour=(0.36, 0.22, 0.12), plank=30), 2, shadow=0.5, depth=6
                ),
                *[
                    Panel(
                        (216 + 26 * k, top + 5 * ((7 * k + row) % 4), 239 + 26 * k, top + 92),
                        BOOK_COLOURS[(5 * k + 3 * row) % len(BOOK_COLOURS)],
                        1,
                        shadow=0.2,
                        depth=2,
                    )
                    for row, top in enumerate((322, 430, 538))
                    for k in range(12)
                ],
                Panel((208, 414, 552, 424), (0.28, 0.17, 0.09)),
                Panel((208, 522, 552, 532), (0.28, 0.17, 0.09)),
                Panel((208, 630, 552, 642), (0.28, 0.17, 0.09)),
                Panel(
                    (610, 320, 790, 740),
                    partial(planks, colour=(0.10, 0.34, 0.40), plank=40, upright=True),
                    0,
                    (0.82, 0.78, 0.70),
                    10,
                    shadow=0.4,
                ),
                Panel((640, 400, 760, 490), partial(paper, colour=(0.95, 0.92, 0.82)), 2, shadow=0.4, depth=3),
                Text("كتب، صحف", 700, 440, 27, "naskh", (0.55, 0.08, 0.07)),
                Text("5 DH", 700, 478, 29, "sans bold"),
                Panel((585, 600, 755, 655), partial(paper, colour=(0.97, 0.86, 0.45)), 2, shadow=0.4, depth=3),
                Text("أهلا وسهلا", 670, 638, 34, "arabic", (0.08, 0.15, 0.35)),
                Text("دفاتر", 842, 420, 40, "naskh", (0.25, 0.30, 0.36)),
                Text("مطبوع", 842, 458, 10, "naskh", (0.25, 0.30, 0.36), reads=Reads.NOT),
            ],
            pose=Pose(402, 305, 950, yaw=-15, pitch=2, roll=0.8),
            bleed=120,
        ),
    ],
    light=Light(1.15, (1.06, 0.98, 0.86), falloff=0.12, angle=60, edge_shadow=0.45, edge_at=0.74),
)

CHINESE_PARK = Scene(
    size=(760, 540),
    planes=[
        Plane(
            (760, 540),
            [
                Fill(partial(sky, clouds=0.5)),
                Foliage((-40, 60, 800, 330), 10, 4200, (0.26, 0.42, 0.16), 44),
            ],
            defocus=4,
        ),
        Plane(
            (760, 260),
            [Fill(partial(meadow, colour=(0.30, 0.50, 0.16), dry=(0.42, 0.52, 0.20)))],
            corners=[(0, 290), (760, 285), (760, 545), (0, 545)],
            defocus=1.4,
        ),
        Plane(
            (60, 300),
            [Pole(12, 0, 300, 3, (0.45, 0.33, 0.22)), Pole(48, 0, 300, 3, (0.45, 0.33, 0.22))],
            corners=[(170, 150), (590, 150), (590, 560), (170, 560)],
        ),
        Plane(
            (460, 230),
            [
                Panel(
                    (0, 0, 460, 230), partial(planks, colour=(0.50, 0.35, 0.22), plank=58), 14, (0.30, 0.20, 0.12), 6
                ),
                Text("请勿践踏草坪", 230, 112, 66, "chinese", (0.98, 0.95, 0.80)),
                Text("Keep off the grass, please!", 230, 170, 28, "sans bold", (0.98, 0.95, 0.80)),
                Text("市园林局", 230, 208, 20, "chinese light", (0.98, 0.95, 0.80)),
            ],
            pose=Pose(378, 230, 500, yaw=13, pitch=-4, roll=-1.5),
            shadow=Shadow(4, 10, 8, 0.4),
        ),
    ],
    light=Light(1.08, (1.03, 1.0, 0.9), falloff=0.15, angle=60, leaf_shadow=0.28),
)
