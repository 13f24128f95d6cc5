"""The network for weak supervision as a PyTorch module, for training, and for fast inference if PyTorch is installed.

The NumPy network of `mlt_s_tools.weak.network` computes the same function from the same weights, a dict of arrays:
`folded` makes this dict from a trained module, and `from_weights` makes a module from it. Weights are named by the path
of their module: `e2.0.a.0.w` and `e2.0.a.0.b` are weight and bias of the convolution `network.e2[0].a[0]`. In the
names, s is the stem, e and d are the encoder and its downsampling, u is the decoder, each with its level: 1 has half
the resolution, 4 a sixteenth.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mlt_s_tools.weak.network import HIDDEN, INPUTS, WIDTHS


class Network(nn.Module):
    """A U-Net that predicts for each pixel of a word's crop whether it is text.

    The means and spreads of the features inside the word, and their means outside, are fed back to each pixel at two
    levels, because only the whole word shows which of two colours is text.

    Args:
        normalized: whether it has batch norms, for training from scratch; otherwise convolutions have biases instead.
    """

    def __init__(self, normalized: bool = True):
        super().__init__()
        half, quarter, eighth, sixteenth = WIDTHS

        def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
            return _convolution(inputs, outputs, size, stride, normalized=normalized)

        self.s = nn.Sequential(nn.PixelUnshuffle(2), conv(4 * INPUTS, half))
        self.e1 = conv(half, half)
        self.d2 = conv(half, quarter, stride=2)
        self.e2 = nn.Sequential(_Residual(quarter, normalized))
        self.d3 = conv(quarter, eighth, stride=2)
        self.e3 = nn.Sequential(_Residual(eighth, normalized))
        self.d4 = conv(eighth, sixteenth, stride=2)
        self.e4 = nn.Sequential(_Residual(sixteenth, normalized), _Residual(sixteenth, normalized, dilation=2))
        self.ctx = _Context(sixteenth)
        self.u3a = conv(sixteenth, eighth, size=1)
        self.u3 = conv(2 * eighth, eighth, size=1)
        self.u3b = conv(eighth, eighth)
        self.ctx3 = _Context(eighth)
        self.u2a = conv(eighth, quarter, size=1)
        self.u2 = conv(2 * quarter, quarter, size=1)
        self.u2b = _Residual(quarter, normalized)
        self.u1a = conv(quarter, half, size=1)
        self.u1 = conv(2 * half, half, size=1)
        self.u1b = _Residual(half, normalized)
        self.o = nn.Conv2d(half, 4, 3, padding=1)

    def forward(self, crops: Tensor) -> Tensor:
        """Logits (crops, height, width) for crops (crops, 4, height, width); height and width are multiples of 16."""
        word = crops[:, 3:4]
        first = self.e1(self.s(crops))
        second = self.e2(self.d2(first))
        third = self.e3(self.d3(second))
        fourth = self.ctx(self.e4(self.d4(third)), word)
        third = self.ctx3(self.u3b(self.u3(_joined(self.u3a(fourth), third))), word)
        second = self.u2b(self.u2(_joined(self.u2a(third), second)))
        first = self.u1b(self.u1(_joined(self.u1a(second), first)))
        return functional.pixel_shuffle(self.o(first), 2)[:, 0]


class _Residual(nn.Module):
    def __init__(self, width: int, normalized: bool, dilation: int = 1):
        super().__init__()
        self.a = _convolution(width, width, dilation=dilation, normalized=normalized)
        self.b = _convolution(width, width, normalized=normalized)[:-1]  # its ReLU comes after the sum

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(features + self.b(self.a(features)))


class _Context(nn.Sequential):
    """Scales and shifts features by their statistics inside and outside the word."""

    def __init__(self, width: int):
        super().__init__(nn.Linear(3 * width, HIDDEN), nn.ReLU(inplace=True), nn.Linear(HIDDEN, 2 * width))
        nn.init.zeros_(self[2].weight)  # so that it begins as the identity
        nn.init.zeros_(self[2].bias)

    def forward(self, features: Tensor, word: Tensor) -> Tensor:
        inside = functional.interpolate(word, features.shape[-2:], mode="area")
        mean = _mean(features, inside)
        spread = (_mean((features - mean[..., None, None]) ** 2, inside) + 1e-4).sqrt()
        statistics = torch.cat([mean, _mean(features, 1 - inside), spread], 1).to(features.dtype)
        scale, shift = super().forward(statistics)[..., None, None].chunk(2, 1)
        return features * (1 + scale) + shift


def _mean(features: Tensor, weights: Tensor) -> Tensor:
    return (features * weights).sum((2, 3)) / (weights.sum((2, 3)) + 1e-3)


def _joined(coarse: Tensor, fine: Tensor) -> Tensor:
    return torch.cat([functional.interpolate(coarse, scale_factor=2, mode="nearest"), fine], 1)


def _convolution(
    inputs: int, outputs: int, size: int = 3, stride: int = 1, dilation: int = 1, normalized: bool = True
) -> nn.Sequential:
    padding = size // 2 * dilation
    convolution = nn.Conv2d(inputs, outputs, size, stride, padding, dilation, bias=not normalized)
    norms = [nn.BatchNorm2d(outputs)] if normalized else []
    return nn.Sequential(convolution, *norms, nn.ReLU(inplace=True))


def folded(network: Network) -> dict[str, np.ndarray]:
    """The weights of a network as stored in its file: float16, with batch norms folded into the convolutions."""
    weights = {}
    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            weight, bias = _folded(module, _norm_after(network, name))
            weights[f"{name}.w"], weights[f"{name}.b"] = (
                array.detach().cpu().float().numpy().astype(np.float16) for array in (weight, bias)
            )
    return weights


def _norm_after(network: Network, name: str) -> nn.BatchNorm2d | None:
    parent, _, position = name.rpartition(".")
    siblings = network.get_submodule(parent)
    after = list(siblings)[int(position) + 1 :] if isinstance(siblings, nn.Sequential) else []
    return after[0] if after and isinstance(after[0], nn.BatchNorm2d) else None


def _folded(module: nn.Conv2d | nn.Linear, norm: nn.BatchNorm2d | None) -> tuple[Tensor, Tensor]:
    if norm is None:
        return module.weight, module.bias
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return module.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale


def from_weights(weights: Mapping[str, np.ndarray]) -> Network:
    """A network without batch norms, float32, in evaluation mode, from the weights that `folded` returns.

    Raises:
        KeyError: a weight is missing.
        RuntimeError: a weight has the wrong shape.
    """
    network = Network(normalized=False)
    state = {}
    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            state[f"{name}.weight"] = torch.from_numpy(np.float32(weights[f"{name}.w"]))
            state[f"{name}.bias"] = torch.from_numpy(np.float32(weights[f"{name}.b"]))
    network.load_state_dict(state)
    return network.eval()
