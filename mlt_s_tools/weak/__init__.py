"""Label maps from the boxes of words, by weak supervision: the kind of label maps that MLT_S consists of.

A model says for each word, pixel by pixel, how probable text is (`patches`), and a rule makes a label map of that
(`rule`). `train` makes a model (`network`), `label` an archive of label maps (`archive`), and `evaluate` says how good
they are. A model is an object with

    name                     str: what its label maps are marked with
    record                   dict, as JSON has it: what decides what it says; stands in the archives made with it
    probabilities(examples)  of each example, an image (`PIL.Image` of mode "RGB", its stored pixels) and a list of
                             quadrilaterals, a list of a `patches.Patch` for each of them, or None for one that lies
                             outside the image
"""

import contextlib
import os

import mlt_s
from mlt_s_tools.weak.baseline import Baseline

RECORD = "weak.json"  # in the folder of a model, by which it is known as one


def open_model(model):
    """A model by its name on the command line.

    Args:
        model: "baseline", or the folder that `mlt-s weak train` wrote.

    Raises:
        mlt_s.MltSError: it is neither; or it cannot be read, or what it needs is not installed.
    """
    if model == Baseline.name:
        return Baseline()
    folder = mlt_s.absolute_address(model)
    if not os.path.isfile(os.path.join(folder, RECORD)):
        state = "holds no " + RECORD if os.path.isdir(folder) else "is no folder"
        raise mlt_s.MltSError(
            f"There is no model at {folder}, which {state}. Give {Baseline.name}, which needs no "
            "training, or the folder of a model: mlt-s weak train DATA_DIR MODEL makes one."
        )
    with needed("A network"):
        from mlt_s_tools.weak.network import Network  # PyTorch and transformers take seconds to import
    return Network.load(folder)


@contextlib.contextmanager
def needed(what):
    """Turns the error of something that is not installed into one that says what to do.

    Raises:
        mlt_s.MltSError: of an `ImportError`.
    """
    try:
        yield
    except ImportError as error:
        raise mlt_s.MltSError(
            f'{what} needs what is not installed here ({str(error).strip()}): pip install "mlt-s[weak]".'
        ) from error
