"""Made-up words in the scripts of MLT and a few more. Their meaning does not matter, only the look of their letters."""

import pydoc_data.topics
import re
from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np

# The probability of each script, and characters that its fonts must have.
SHARES = {
    "latin": 0.38, "arabic": 0.14, "bangla": 0.12, "chinese": 0.11, "japanese": 0.08, "korean": 0.09,
    "devanagari": 0.02, "thai": 0.01, "cyrillic": 0.03, "greek": 0.01, "hebrew": 0.01,
}  # fmt: skip
NEEDED = {
    "latin": "AZaz09ER", "arabic": "ابحقهي", "bangla": "কমািুো", "chinese": "国风饭阿区", "japanese": "あんアン東国",
    "korean": "가힝국한", "devanagari": "कमाि", "thai": "กมา", "cyrillic": "АЯжщ", "greek": "ΑΩλω", "hebrew": "אתש",
}  # fmt: skip


def _of_charset(encoding: str, first: int, last: int) -> list[str]:
    """The characters of some rows of a national standard, which has the characters in common use."""
    pairs = (bytes([row, cell]) for row in range(first, last + 1) for cell in range(0xA1, 0xFF))
    return [text for pair in pairs if (text := pair.decode(encoding, "ignore"))]


_HANZI, _KANJI = _of_charset("gb2312", 0xB0, 0xD7), _of_charset("euc_jp", 0xB0, 0xCF)
_HANGUL = _of_charset("euc_kr", 0xB0, 0xC8)
_HIRAGANA = [chr(code) for code in range(0x3041, 0x3094)]
_KATAKANA = [chr(code) for code in range(0x30A1, 0x30F5)] + ["ー"] * 8
_ENGLISH = sorted(set(re.findall("[A-Za-z]{2,12}", " ".join(pydoc_data.topics.topics.values()))))
_SYLLABLES = (
    "ba be bi bo ca co da de di do fa fe fi ga go ha ho la le li lo ma me mi mo na ne no pa po qu ra re ri ro sa se si "
    "so ta te ti to va vi za an en in on er or ar es is os st ch ll tt nt ck ß é è ü ö ä ç ñ å ø ł š ê à"
).split()
_ARABIC = list("ابتثجحخدذرزسشصضطظعغفقكلمنهوي" * 2 + "االالملوينتمةىءأإآؤئ")
_BANGLA = list("কখগঘঙচছজঝঞটঠডঢণতথদধনপফবভমযরলশষসহ")
_BANGLA += ["ক্ষ", "ন্ত", "স্ত", "প্র", "ক্র", "ত্র", "ন্দ", "ম্প", "স্ব", "শ্র", "র্ম", "দ্ধ", "ষ্ট"]
_BANGLA_SIGNS = ["", "", "", "া", "া", "ি", "ী", "ু", "ূ", "ে", "ৈ", "ো", "ৌ", "ৃ", "ং"]
_DEVANAGARI, _DEVANAGARI_SIGNS = list("कखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह"), ["", "", *"ािीुूेैों"]
_THAI, _THAI_SIGNS = list("กขคฆงจฉชซญดตถทธนบปผฝพฟภมยรลวศษสหอฮ"), ["", "", "า", "ิ", "ี", "ุ", "่", "้"]
_SIGNED = {
    "bangla": (_BANGLA, _BANGLA_SIGNS),
    "devanagari": (_DEVANAGARI, _DEVANAGARI_SIGNS),
    "thai": (_THAI, _THAI_SIGNS),
}
_LETTERS = {
    "cyrillic": "абвгдежзийклмнопрстуфхцчшщъыьэюя",
    "greek": "αβγδεζηθικλμνξοπρστυφχψω",
    "hebrew": "אבגדהוזחטיכלמנסעפצקרשת",
}
_DIGITS = {"latin": "0123456789", "arabic": "٠١٢٣٤٥٦٧٨٩", "bangla": "০১২৩৪৫৬৭৮৯"}


def word(rng: np.random.Generator, script: str) -> str:
    """A word, or a number."""
    if script in _DIGITS and rng.random() < (0.14 if script == "latin" else 0.05):
        return _number(rng, _DIGITS[script])
    length = int(rng.choice([1, 2, 2, 2, 3, 3, 4, 4, 5, 6, 8]))
    if script == "latin":
        return _latin(rng)
    if script == "arabic":
        return ("ال" if rng.random() < 0.35 else "") + _drawn(rng, _ARABIC, rng.integers(2, 8))
    if script == "japanese":
        kind = rng.random()
        return _drawn(rng, _KATAKANA if kind < 0.35 else _HIRAGANA if kind < 0.5 else _KANJI, length) + (
            _drawn(rng, _HIRAGANA, rng.integers(0, 3)) if kind > 0.6 else ""
        )
    if script in ("chinese", "korean"):
        return _drawn(rng, _HANZI if script == "chinese" else _HANGUL, length)
    if script in ("bangla", "devanagari", "thai"):
        letters, signs = _SIGNED[script]
        return "".join(_drawn(rng, letters, 1) + _drawn(rng, signs, 1) for _ in range(rng.integers(1, 7)))
    text = _drawn(rng, list(_LETTERS[script]), rng.integers(2, 10))
    return text.upper() if rng.random() < 0.5 else text


def _latin(rng: np.random.Generator) -> str:
    text = _drawn(rng, _ENGLISH, 1) if rng.random() < 0.6 else _drawn(rng, _SYLLABLES, rng.integers(1, 6))
    kind = rng.random()
    text = text.upper() if kind < 0.5 else text.capitalize() if kind < 0.75 else text.lower()
    return text + (str(rng.choice(list("!?.,:;'&-"))) if rng.random() < 0.06 else "")


def _number(rng: np.random.Generator, digits: str) -> str:
    pattern = str(rng.choice("# ## ### #### ##### #.## ##,## $### €#.## ###-#### ##% ##:## (##) +##-###".split()))
    return "".join(_drawn(rng, digits, 1) if sign == "#" else sign for sign in pattern)


def _drawn(rng: np.random.Generator, parts: Sequence[str], count: SupportsIndex) -> str:
    return "".join(parts[number] for number in rng.integers(0, len(parts), count))
