"""Settings of the text-to-image step in front of shape generation. Data: the model itself belongs to the GPU manager.

Source: the published pipeline makes the picture with HunyuanDiT (arXiv 2405.08748) and perturbed-attention guidance
(arXiv 2403.17377), and asks for an object that stands free, so that its background can be removed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TextToImageSettings:
    """How a sentence becomes the picture that shape generation takes."""

    repo: str = "Tencent-Hunyuan/HunyuanDiT-v1.1-Diffusers-Distilled"
    num_inference_steps: int = 25
    pag_scale: float = 1.3
    pag_applied_layers: tuple[str, ...] = ("blocks.(16|17|18|19)",)
    width: int = 1024
    height: int = 1024
    max_prompt_length: int = 60
    """Characters of the user's own words that are used."""
    prompt_suffix: str = ",白色背景,3D风格,最佳质量"
    """White background, 3D style, best quality: the model's first language is Chinese."""
    negative_prompt: str = "文本,水印,多个物体,裁剪,模糊,低质量,阴影,杂乱背景,变形,重复"
    """Text, watermark, several objects, cropped, blurred, low quality, shadow, busy background, deformed, repeated."""

    def prompt(self, words: str) -> str:
        """The user's words as the model gets them."""
        return words[: self.max_prompt_length] + self.prompt_suffix
