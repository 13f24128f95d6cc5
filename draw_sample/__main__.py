"""``python -m draw_sample OUT_DIR``"""

import argparse
from pathlib import Path

from . import __doc__ as description
from .archives import draw_sample

parser = argparse.ArgumentParser(
    "python -m draw_sample", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("out_dir", type=Path, help="folder to write the archives into")
draw_sample(parser.parse_args().out_dir)
