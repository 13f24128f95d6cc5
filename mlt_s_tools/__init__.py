"""What is not loading: the command line `mlt-s`, pictures of examples, and a bundled sample.

`SAMPLE` is the folder of the sample, laid out like the archives of MLT and MLT_S, so it serves as a `data_dir`:
`load_dataset("mlt_s", data_dir=str(mlt_s_tools.SAMPLE))`. `overlay` is `mlt_s_tools.preview.overlay`.
"""

from pathlib import Path

__all__ = ["SAMPLE", "overlay"]

SAMPLE = Path(__file__).parent / "sample"


def __getattr__(name):
    # Lazy, because preview imports `datasets` (through mlt_s), which takes seconds.
    if name == "overlay":
        from mlt_s_tools.preview import overlay

        return overlay
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
