"""The fonts for drawing words: those of the Debian packages in ``packages.txt``, unpacked into a folder.

    mkdir debs fonts && cd debs && apt-get download $(cat ../word_network/packages.txt) && cd ..
    for deb in debs/*.deb; do dpkg -x $deb fonts/$(basename $deb .deb); done

All are in Debian's main section. The list leaves out packages with a font under CC-BY-SA, alone or with another licence
(fonts-babelstone-han, fonts-femkeklaver, fonts-sawarabi-mincho), and fonts-aenigma, which has a licence of its own.
`checked_packages` checks the licences again.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fontTools.ttLib import TTCollection, TTFont, TTLibError

from word_network.texts import NEEDED

PACKAGES = Path(__file__).with_name("packages.txt")
DOUBTFUL = re.compile(r"^license:.*(cc-?by-?(sa|nc|nd)|non-?free|gfdl)", re.IGNORECASE | re.MULTILINE)
# Faces without normal letters, or of families with very many faces.
_NOT_TEXT = re.compile(
    r"emoji|symbol|icon|math|music|barcode|blank|tofu|dingbat|ornament|keycap|lastresort|-thin\.|hairline", re.I
)
_NOTO_FAMILY = re.compile(
    r"Noto(Sans|Serif|SansDisplay|SerifDisplay|SansMono|SansArabic|(Naskh|Kufi)Arabic\w*|NastaliqUrdu|S\w+Bengali\w*"
    r"|S\w+Devanagari|S\w+Thai|S\w+Hebrew|Rashi\w*|(Sans|Serif|SansMono)CJK)$"
)
_NOTO_FACE = re.compile("(Regular|Light|Medium|Bold|Black|Condensed|CondensedBold|ExtraCondensedBold|(Bold)?Italic)$")


@dataclass(frozen=True)
class Face:
    """One face of a font file; ``held`` families are left out of training and used in the test."""

    file: str
    number: int
    family: str
    held: bool


def checked_packages(folder: Path) -> list[dict[str, str]]:
    """Name, version and licences of the packages of ``packages.txt``, which are unpacked in a folder.

    Raises:
        ValueError: one is missing, or its licence is doubtful.
    """
    unpacked = {path.name.partition("_")[0]: path for path in folder.iterdir() if "_" in path.name}
    packages = []
    for name in PACKAGES.read_text().split():
        if name not in unpacked:
            raise ValueError(f"{folder} lacks {name} of {PACKAGES}; word_network/fonts.py says how to get it.")
        licence = (unpacked[name] / "usr/share/doc" / name / "copyright").read_text(errors="replace")
        if DOUBTFUL.search(licence):
            raise ValueError(f"The licence of {name} is doubtful: take it out of {PACKAGES}.")
        stated = sorted(set(re.findall(r"^License: *(\S.*?) *$", licence, re.IGNORECASE | re.MULTILINE)))
        version = unpacked[name].name.split("_")[1].replace("%3a", ":")
        packages.append({"name": name, "version": version, "licence": ", ".join(stated) or "see its copyright file"})
    return packages


def faces_by_script(folder: Path) -> dict[str, list[list[Face]]]:
    """For each script, the families that have its letters, each as a list of faces. They are sorted, so that a seed
    always draws the same words.

    Every ninth family, by a hash of its name, is held out, in all scripts.
    """
    found: dict[str, dict[str, list[Face]]] = {script: {} for script in NEEDED}
    packages = set(PACKAGES.read_text().split()) if any(folder.glob("*_*/usr")) else None
    for path in sorted(folder.rglob("*.[ot]t[fc]")):
        if packages is None or path.relative_to(folder).parts[0].partition("_")[0] in packages:
            for face, characters in _faces(path):
                for script, needed in NEEDED.items():
                    if characters.issuperset(map(ord, needed)):
                        found[script].setdefault(face.family, []).append(face)
    return {script: [families[name] for name in sorted(families)] for script, families in found.items()}


def _faces(path: Path) -> Iterator[tuple[Face, set[int]]]:
    family, _, face = path.stem.partition("-")
    noto = family.startswith("Noto") and not (_NOTO_FAMILY.match(family) and _NOTO_FACE.match(face))
    if noto or _NOT_TEXT.search(path.name):
        return
    try:
        fonts = TTCollection(path, lazy=True).fonts[:5] if path.suffix == ".ttc" else [TTFont(path, lazy=True)]
        for number, font in enumerate(fonts):
            # Families are compared by the start of their names: "Noto Sans CJK JP Bold" and "Noto Sans CJK SC" draw
            # the same letters.
            name = re.sub("[^A-Za-z0-9]|CJK.*", "", font["name"].getDebugName(1) or path.stem)[:10]
            yield Face(str(path), number, name, is_held(name)), set(font.getBestCmap() or ())
    except (TTLibError, OSError, KeyError, AttributeError, AssertionError):
        return  # a few old fonts are damaged, or have no character map


def is_held(family: str) -> bool:
    """Whether a family is left out of training."""
    return int(sha256(family.encode()).hexdigest(), 16) % 9 == 0
