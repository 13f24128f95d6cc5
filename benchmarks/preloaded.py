"""The imports of the process that contenders are copies of."""

import datasets
import datasets.streaming
import numpy  # noqa: F401
import PIL.Image
import torch

import mlt_s
import mlt_s_tools.hub
import mlt_s_tools.training.archives
import mlt_s_tools.training.batches
import mlt_s_tools.training.transforms  # noqa: F401
from benchmarks import groups  # noqa: F401

PIL.Image.init()  # the formats, each a module
# As the first builder of a process does, which imports SciPy for it where it is installed.
datasets.streaming.extend_module_for_streaming("mlt_s", datasets.DownloadConfig())
torch.set_num_threads(1)
datasets.disable_progress_bars()
mlt_s.logger.setLevel("ERROR")  # the counts are not those of MLT
