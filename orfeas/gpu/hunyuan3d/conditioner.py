"""The image encoder: prepared pictures to the condition tokens that the denoiser attends to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from orfeas.gpu.hunyuan3d.dinov2 import Dinov2Model
from orfeas.gpu.hunyuan3d.settings import DinoSettings, EncoderSettings

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
"""Of ImageNet's pixels in red, green and blue; DINOv2 was trained on pictures normalised with them."""


class ImageEncoder(nn.Module):
    """`SingleImageEncoder`: DINOv2 on one picture, or on several views of one object."""

    def __init__(self, settings: EncoderSettings) -> None:
        super().__init__()
        self.settings = settings
        self.main_image_encoder = MainImageEncoder(settings.dino)

    def forward(self, image: Tensor, view_idxs: Sequence[Sequence[int]] | None = None) -> Tensor:
        """Condition tokens.

        Parameters
        ----------
        image : [B, 3, s, s], or [B, V, 3, s, s] of several views
            Pixels from -1 to 1.
        view_idxs : [B][V]
            What each view shows: 0 front, 1 left, 2 back, 3 right.

        Returns
        -------
        [B, T, D], or [B, V * T, D] in the order of the views
            In the type of the weights; T counts the patches and, unless it is switched off, a class token.
        """
        if image.dim() == 4:
            return self.tokens(image)
        if view_idxs is None:
            raise ValueError("several views need their indices")
        batch, views = image.shape[:2]
        tokens = self.tokens(image.flatten(0, 1))
        tokens = tokens.view(batch, views, *tokens.shape[1:])
        indices = torch.tensor([list(row) for row in view_idxs], device=tokens.device)
        if indices.shape != (batch, views):
            raise ValueError(f"view indices of shape {tuple(indices.shape)} for views of shape {(batch, views)}")
        embedding = view_embedding(indices, tokens.shape[-1]).to(tokens.dtype)
        return (tokens + embedding[:, :, None]).flatten(1, 2)

    def tokens(self, image: Tensor) -> Tensor:
        """Tokens [B, T, D] of pictures [B, 3, s, s]."""
        model = self.main_image_encoder.model
        hidden: Tensor = model(self.pixels(image).to(model.layernorm.weight.dtype))
        return hidden if self.settings.use_cls_token else hidden[:, 1:]

    def pixels(self, image: Tensor) -> Tensor:
        """What enters DINOv2, [B, 3, n, n] in float32: resized, cut to a square around the centre and normalised."""
        image = image.flatten(0, -4).float()
        height, width = image.shape[-2:]
        size = self.settings.image_size
        short = min(height, width)
        target = (size * height // short, size * width // short)
        pixels = (image + 1) / 2
        if target != (height, width):
            pixels = F.interpolate(pixels, size=target, mode="bilinear", align_corners=False, antialias=True)
        top, left = round((target[0] - size) / 2), round((target[1] - size) / 2)
        pixels = pixels[..., top : top + size, left : left + size]
        return (pixels - _channels(_MEAN, pixels)) / _channels(_STD, pixels)


class MainImageEncoder(nn.Module):
    """Holds DINOv2 under the name that it has in the files."""

    def __init__(self, settings: DinoSettings) -> None:
        super().__init__()
        self.model = Dinov2Model(settings)


def view_embedding(indices: Tensor, width: int) -> Tensor:
    """Sines and cosines [..., width] of view indices, computed in float64 and returned in float32.

    A. Vaswani et al., "Attention Is All You Need" (arXiv 1706.03762), section 3.5, all sines before all cosines.
    """
    half = width // 2
    powers = torch.arange(half, dtype=torch.float64, device=indices.device) / half
    angles = indices[..., None].double() / 10000**powers
    return torch.cat([angles.sin(), angles.cos()], dim=-1).float()


def _channels(values: tuple[float, float, float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None, None]
