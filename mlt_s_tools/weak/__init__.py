"""Makes label maps from word boxes, and resolves uncertain pixels in existing label maps.

A model (`patches.Model`) predicts the probability of text for each pixel of a word, and a rule turns these
probabilities into a label map (`rule`). The network that ships was trained on drawn words (`network`, `framing`,
`edges`, `model`). `label` writes an archive of label maps made with it (`archive`), `repair` resolves uncertain pixels
of existing ones, `evaluate` compares a model with label maps, and `train` trains the network further on label maps.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import mlt_s
from mlt_s_tools.weak.baseline import Baseline

if TYPE_CHECKING:
    from mlt_s_tools.weak.patches import Model

RECORD, WEIGHTS = "weak.json", "network.npz"  # in the folder of a model, which is recognised by the record
SHIPPED = os.path.join(os.path.dirname(__file__), WEIGHTS)  # the network that comes with the package


def open_model(model: str | os.PathLike[str] | None = None) -> Model:
    """Opens a model.

    Args:
        model: None for the network that ships, "baseline", or the folder that `mlt-s weak train` wrote.

    Raises:
        mlt_s.MltSError: there is no such model, or it cannot be read.
    """
    if model is not None and not isinstance(model, (str, os.PathLike)):
        raise mlt_s.MltSError(
            f"A model is {Baseline.name!r}, or the path of a folder that mlt-s weak train wrote, or left out for the "
            f"network that ships with mlt-s; not {model!r}."
        )
    if model == Baseline.name:
        return Baseline()
    from mlt_s_tools.weak.model import NetworkModel, open_folder

    if model is None:
        if not os.path.isfile(SHIPPED):
            raise mlt_s.MltSError(
                f"{SHIPPED}, the network that ships with mlt-s, is missing: install mlt-s again, or give a model "
                f"(--model): {Baseline.name}, or a folder that mlt-s weak train wrote."
            )
        return NetworkModel(SHIPPED)
    folder = mlt_s.absolute_address(model)
    if not os.path.isfile(os.path.join(folder, RECORD)):
        state = "holds no " + RECORD if os.path.isdir(folder) else "is not a folder"
        raise mlt_s.MltSError(
            f"There is no model at {folder}, which {state}. Leave the model out for the network that ships with mlt-s, "
            f"or give {Baseline.name}, or a folder that mlt-s weak train DATA_DIR OUT wrote."
        )
    return open_folder(folder)
