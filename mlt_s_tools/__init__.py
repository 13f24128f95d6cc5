"""What is not loading: the command line `mlt-s`, pictures of examples, work with words, and a bundled sample.

`SAMPLE` is the folder of the sample, laid out like the archives of MLT and MLT_S, so it serves as a `data_dir`:
`load_dataset("mlt_s", data_dir=str(mlt_s_tools.SAMPLE))`. `overlay` is `mlt_s_tools.preview.overlay`; `word_mask` and
`crop_word` are those of `mlt_s_tools.words`, and `build` is that of `mlt_s_tools.hub`. `__version__` is `mlt_s`'s.
"""

import importlib
from pathlib import Path

SAMPLE = Path(__file__).parent / "sample"

# Lazy, because preview imports `datasets` (through mlt_s), which takes seconds.
_MODULES = {"overlay": "preview", "word_mask": "words", "crop_word": "words", "build": "hub"}

__all__ = ["SAMPLE", *_MODULES]


def __getattr__(name):
    if name == "__version__":
        return importlib.import_module("mlt_s").__version__
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
