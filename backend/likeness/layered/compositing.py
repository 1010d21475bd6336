"""Layers over one another, in linear light, inner to outer; and the sRGB curve between linear light and pictures."""

from __future__ import annotations

import torch


def srgb_to_linear(values: torch.Tensor) -> torch.Tensor:
    """Linear light of sRGB-encoded values in 0..1 (IEC 61966-2-1)."""
    # The clamp keeps the unused branch's gradient finite.
    curve = ((values.clamp(min=0.04) + 0.055) / 1.055) ** 2.4
    return torch.where(values <= 0.04045, values / 12.92, curve)


def linear_to_srgb(values: torch.Tensor) -> torch.Tensor:
    """sRGB-encoded values of linear light, which is clamped to 0..1 first."""
    values = values.clamp(0.0, 1.0)
    curve = 1.055 * values.clamp(min=0.003) ** (1 / 2.4) - 0.055
    return torch.where(values <= 0.0031308, values * 12.92, curve)


def composite(colours: torch.Tensor, alphas: torch.Tensor) -> torch.Tensor:
    """Composite layers by "over", inner to outer.

    Parameters
    ----------
    colours : (L, N, 3)
        Linear, not premultiplied; layer 0 is the innermost.
    alphas : (L, N)
        Zero where a layer has no hit.

    Returns
    -------
    (N, 4)
        Linear light, premultiplied by the alpha in the last channel.
    """
    shares = layer_shares(alphas)
    return torch.cat([(shares[..., None] * colours).sum(0), shares.sum(0)[:, None]], 1)


def layer_shares(alphas: torch.Tensor) -> torch.Tensor:
    """Share (L, N) of each layer in the picture: its alpha times what all outer layers let through."""
    return alphas * transmittance(alphas)


def transmittance(alphas: torch.Tensor) -> torch.Tensor:
    """Light (L, N) that reaches the viewer from each layer through all outer ones."""
    outward = torch.cat([alphas[1:], torch.zeros_like(alphas[:1])])
    return (1 - outward).flip(0).cumprod(0).flip(0)


def over(picture: torch.Tensor, background: torch.Tensor) -> torch.Tensor:
    """A premultiplied linear picture (..., 4) over a linear background (..., 3)."""
    return picture[..., :3] + (1 - picture[..., 3:]) * background


def distortion(shares: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """How far each pixel's light is spread over the layers: mean over pixels of sum_ij s_i s_j |l_i - l_j|.

    After the distortion loss of mip-NeRF 360, with depth replaced by the level. It gathers a surface in one layer, so
    that no copies of the silhouette show when the head turns.

    Parameters
    ----------
    shares : (L, N)
    levels : (L,)
        In any unit; the result has the same.
    """
    gaps = (levels[:, None] - levels[None]).abs()
    return ((gaps @ shares) * shares).sum(0).mean()


def imbalance(shares: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """How unevenly bases have a say in a picture: 0 where all have the same on average, log B where one has all.

    The Kullback-Leibler divergence of the mean weights from even ones. A softmax that prefers one basis early on
    trains that one, prefers it more, and may end with a single look for all turns of the head, as routers of mixtures
    of experts do without such a loss (N. Shazeer et al., "Outrageously Large Neural Networks", ICLR 2017, section 4).

    Parameters
    ----------
    shares : (N, B)
        Weights of the bases at hits.
    seen : (N,)
        Share of each hit in the picture; carries no gradient.
    """
    weights = seen.detach()[:, None]
    mean = (shares * weights).sum(0) / weights.sum().clamp(min=1e-6)
    return (mean * (mean.clamp(min=1e-9) * shares.shape[1]).log()).sum()
