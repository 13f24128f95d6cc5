"""Everything except loading: the command line `mlt-s`, pictures of examples, functions for words, and a sample.

`SAMPLE` is the folder of the bundled sample. It is laid out like the archives of MLT and MLT_S, so it works as a
`data_dir`: `load_dataset("mlt_s", data_dir=str(mlt_s_tools.SAMPLE))`. `overlay` comes from
`mlt_s_tools.looking.preview`, `word_mask` and `crop_word` from `mlt_s_tools.words`, and `build` from `mlt_s_tools.hub`.
`__version__` is the version of `mlt_s`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

SAMPLE = Path(__file__).parent / "sample"

if TYPE_CHECKING:  # the names of `_MODULES`, for checkers and editors
    from mlt_s_tools.hub import build as build
    from mlt_s_tools.looking.preview import overlay as overlay
    from mlt_s_tools.words import crop_word as crop_word
    from mlt_s_tools.words import word_mask as word_mask

    __version__: str

# Lazy, because preview imports `datasets` (through mlt_s), which takes seconds.
_MODULES = {"overlay": "looking.preview", "word_mask": "words", "crop_word": "words", "build": "hub"}

__all__ = ["SAMPLE", *_MODULES]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("mlt_s").__version__
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
