"""The sample's pictures: where and how each is stored, and its scene.

As in MLT, numbers have gaps, and both splits have the same names for different pictures.
"""

from dataclasses import dataclass

from . import scenes_by_day as day
from . import scenes_by_night as night
from . import scenes_indoors as indoors
from .scene import Scene


@dataclass(frozen=True)
class Picture:
    """A picture to draw. One that is ``sideways`` is stored lying on its side, with an EXIF tag that says so."""

    archive: str
    name: str
    scene: Scene
    labelled: bool = True
    sideways: bool = False

    @property
    def split(self) -> str:
        return "training" if "training" in self.archive else "validation"

    @property
    def stem(self) -> str:
        return self.name.rpartition(".")[0]


PICTURES = [
    Picture("ch8_training_images_1.zip", "img_2.jpg", day.PARIS_STREET_PLATES),
    Picture("ch8_training_images_1.zip", "img_10.jpg", night.TOKYO_RAMEN),
    Picture("ch8_training_images_1.zip", "img_47.jpg", indoors.SEOUL_STATION),
    Picture("ch8_training_images_1.zip", "img_103.JPG", day.ARABIC_PHARMACY),
    Picture("ch8_training_images_1.zip", "img_318.jpg", day.BANGLA_TEA_STALL),
    Picture("ch8_training_images_2.zip", "img_700.jpg", day.GERMAN_ROAD_SIGNS),
    Picture("ch8_training_images_2.zip", "img_880.jpg", indoors.TEA_SHELF, labelled=False),
    Picture("ch8_training_images_2.zip", "img_1001.gif", indoors.AIRPORT_DEPARTURES),
    Picture("ch8_training_images_2.zip", "img_1002.png", night.NEON_BAR),
    Picture("ch8_training_images_2.zip", "img_1204.jpg", day.CHINESE_BOOKSHOP, sideways=True),
    Picture("ch8_training_images_5.zip", "img_2350.jpg", indoors.CAFE_BLACKBOARD),
    Picture("ch8_training_images_5.zip", "img_3077.jpg", day.MARKET_STALL),
    Picture("ch8_training_images_5.zip", "img_4500.jpg", day.ARABIC_STOP, labelled=False),
    Picture("ch8_training_images_5.zip", "img_5210.jpg", day.POSTERS_ON_PLASTER),
    Picture("ch8_training_images_8.zip", "img_6041.jpg", day.NOTICES_ON_BRICK),
    Picture("ch8_training_images_8.zip", "img_6999.jpg", night.HONG_KONG_NEON),
    Picture("ch8_training_images_8.zip", "img_7200.jpg", day.KYOTO_TRAIL, labelled=False),
    Picture("ch8_validation_images.zip", "img_2.jpg", day.BUS_STOP),
    Picture("ch8_validation_images.zip", "img_10.jpg", day.KOREAN_CAFE),
    Picture("ch8_validation_images.zip", "img_103.jpg", night.BLURRED_TAXI),
    Picture("ch8_validation_images.zip", "img_566.jpg", day.ARABIC_BOOKSHOP),
    Picture("ch8_validation_images.zip", "img_1001.jpg", day.BANGLA_HIGHWAY),
    Picture("ch8_validation_images.zip", "img_1333.jpg", indoors.JAPANESE_EXIT),
    Picture("ch8_validation_images.zip", "img_1800.jpg", day.CHINESE_PARK, labelled=False),
]
