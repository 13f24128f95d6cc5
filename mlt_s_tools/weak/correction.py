"""What training and inference make of the network's logits: a correction of the hint, added to the hint's own logit.

So an untrained network says what the baseline says, and a trained one keeps its edges, in the image's own pixels,
wherever it has nothing to correct.
"""

import torch
from torch.nn.functional import interpolate

_SUREST = 0.98  # how far a hint counts, from -1 to 1: even where it is sure, a network can overrule it


def margins(logits, hints):
    """By how much the logit of text is above that of background, after the correction.

    Args:
        logits: the network's, a float tensor (crops, 2, any height, any width), of background and of text; they are
            resized to the hints.
        hints: a float tensor (crops, height, width), as `crops.strengths` has it.

    Returns:
        float32 tensor (crops, height, width); its sigmoid is the probability of text.
    """
    correction = logits[:, 1:].float() - logits[:, :1].float()
    resized = interpolate(correction, hints.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    # Of a probability (1 + hint) / 2, this is the logit.
    return resized + 2 * torch.atanh(hints.float().clamp(-_SUREST, _SUREST))
