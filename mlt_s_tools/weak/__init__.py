"""Label maps from the boxes of words: for images that have none, and better than those that MLT_S has.

A model says for each word, pixel by pixel, how probable text is (`patches`), and a rule makes a label map of that
(`rule`). The network that ships was trained on drawn words (`network`, `framing`, `edges`, `model`); `label` makes an
archive of label maps with it (`archive`), `repair` resolves what is uncertain in those of others, `evaluate` says how
good they are, and `train` goes on from its weights with label maps. A model is an object with

    name                     str: what its label maps are marked with
    record                   dict, as JSON has it: what decides what it says; stands in the archives made with it
    trained_on               dict: split -> list of the ids of the images that it was trained on
    probabilities(examples)  of each example, an image (`PIL.Image` of mode "RGB", its stored pixels) and a list of
                             quadrilaterals, a list of a `patches.Patch` for each of them, or None for one that lies
                             outside the image
"""

import os

import mlt_s
from mlt_s_tools.weak.baseline import Baseline

RECORD, WEIGHTS = "weak.json", "network.npz"  # in the folder of a model, which is known by the record
SHIPPED = os.path.join(os.path.dirname(__file__), WEIGHTS)  # the network that comes with the package


def open_model(model=None):
    """A model.

    Args:
        model: None, the network that ships; "baseline"; or the folder that `mlt-s weak train` wrote.

    Raises:
        mlt_s.MltSError: it is none of these, or it cannot be read.
    """
    if model == Baseline.name:
        return Baseline()
    from mlt_s_tools.weak.model import NetworkModel, open_folder

    if model is None:
        if not os.path.isfile(SHIPPED):
            raise mlt_s.MltSError(
                f"{SHIPPED}, the network that ships with mlt-s, is missing: install mlt-s again, or give a model "
                f"(--model): {Baseline.name}, or the folder of one that mlt-s weak train wrote."
            )
        return NetworkModel(SHIPPED)
    folder = mlt_s.absolute_address(model)
    if not os.path.isfile(os.path.join(folder, RECORD)):
        state = "holds no " + RECORD if os.path.isdir(folder) else "is not a folder"
        raise mlt_s.MltSError(
            f"There is no model at {folder}, which {state}. Leave it out for the network that ships with mlt-s, or "
            f"give {Baseline.name}, or the folder that mlt-s weak train DATA_DIR OUT wrote."
        )
    return open_folder(folder)
