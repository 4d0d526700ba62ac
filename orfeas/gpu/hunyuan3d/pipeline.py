"""From a picture to a mesh: the interface that the GPU manager and the tests use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from orfeas.gpu.hunyuan3d import checkpoint, surface
from orfeas.gpu.hunyuan3d.conditioner import ImageEncoder
from orfeas.gpu.hunyuan3d.config import read_pipeline, read_vae
from orfeas.gpu.hunyuan3d.denoiser import Denoiser
from orfeas.gpu.hunyuan3d.dit import Hunyuan3DDiT
from orfeas.gpu.hunyuan3d.dit_plain import HunYuanDiTPlain
from orfeas.gpu.hunyuan3d.grid import Grid
from orfeas.gpu.hunyuan3d.guidance import (
    Prepared,
    Scales,
    as_scales,
    embedded_scales,
    guided_velocity,
    prepare_guidance,
)
from orfeas.gpu.hunyuan3d.parts import Part
from orfeas.gpu.hunyuan3d.preprocess import ImageProcessor, Images, Preprocessed
from orfeas.gpu.hunyuan3d.sampling import OnStep, sample
from orfeas.gpu.hunyuan3d.savings import Savings
from orfeas.gpu.hunyuan3d.schedulers import schedule
from orfeas.gpu.hunyuan3d.settings import DiTSettings, PipelineSettings
from orfeas.gpu.hunyuan3d.vae import ShapeVAE
from orfeas.gpu.hunyuan3d.volume import decode_volume

Method = Literal["dense", "hierarchical", "flashvdm"]
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles in model coordinates (y up, inside the box of about +-1), wound outward."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Hunyuan3DPipeline:
    """A released checkpoint, ready to make shapes. Nothing is shared between calls, so threads may share it.

    Every method runs without gradients. Times, latents and coordinates are float32 whatever the weights are.
    """

    settings: PipelineSettings
    device: torch.device
    dtype: torch.dtype
    encoder: Part[ImageEncoder]
    denoiser: Part[Any]
    vae: Part[ShapeVAE]
    savings: Savings

    @classmethod
    def from_pretrained(
        cls,
        models_root: str | Path,
        repo: str,
        subfolder: str,
        *,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        vae_subfolder: str | None = None,
        vae_repo: str | None = None,
        offload: bool = False,
        compile_denoiser: bool = False,
        savings: Savings | None = None,
    ) -> Hunyuan3DPipeline:
        """Load `<models_root>/<repo>/<subfolder>`.

        Parameters
        ----------
        vae_subfolder, vae_repo
            A VAE folder to use instead of the VAE in the checkpoint, such as FlashVDM's smaller point decoder;
            `vae_repo` defaults to `repo` (the multi-view repository has none of its own).
        offload
            Keep each part in memory only while it works: less memory, and the file is read again each time.
        compile_denoiser
            Run the denoiser through `torch.compile`: minutes at the first call, faster afterwards.

        Raises
        ------
        CheckpointError
            A file is absent, half downloaded, damaged, or does not fit its configuration.
        """
        folder = checkpoint.find(models_root, repo, subfolder)
        settings = read_pipeline(folder)
        vae_folder = checkpoint.find(models_root, vae_repo or repo, vae_subfolder) if vae_subfolder else None
        vae_settings = read_vae(vae_folder) if vae_folder else settings.vae
        target, chosen = torch.device(device), savings or Savings()

        def part(make: Callable[[], M], source: Path, name: checkpoint.PartName | None, wrap: bool = False) -> Part[M]:
            def load() -> M:
                with torch.device("meta"):
                    module = make()
                checkpoint.load_part(source, name, module, device=target, dtype=dtype)
                module.eval().requires_grad_(requires_grad=False)
                if wrap:
                    module.compile()
                return module

            return Part(load, keep=not offload)

        return cls(
            settings=settings,
            device=target,
            dtype=dtype,
            encoder=part(lambda: ImageEncoder(settings.encoder), folder, "conditioner"),
            denoiser=part(lambda: _denoiser(settings, chosen), folder, "model", wrap=compile_denoiser),
            vae=part(lambda: ShapeVAE(vae_settings), vae_folder or folder, None if vae_folder else "vae"),
            savings=chosen,
        )

    def preprocess(self, images: Images) -> Preprocessed:
        """Centre, composite on white and resize a picture, a list of them, or views by name.

        Raises
        ------
        InvalidImageError
            There is nothing to see in a picture.
        """
        return ImageProcessor(self.settings.processor)(images)

    @torch.inference_mode()
    def encode(self, preprocessed: Preprocessed) -> Tensor:
        """Condition tokens [B, T, D] of preprocessed pictures."""
        with self.encoder.use() as encoder:
            tokens: Tensor = encoder(preprocessed.image.to(self.device), preprocessed.view_idxs)
        return tokens

    def sigmas(self, num_inference_steps: int) -> Tensor:
        """The times [n + 1] of a schedule in float32, from 0 (noise) to 1 (data)."""
        return schedule(self.settings.scheduler, num_inference_steps).sigmas

    @torch.inference_mode()
    def prepare(self, condition: Tensor) -> Prepared:
        """Project condition tokens once; `denoise` and `sample` take the result instead of the tokens."""
        with self.denoiser.use() as denoiser:
            return prepare_guidance(denoiser, condition, self.savings)

    @torch.inference_mode()
    def denoise(
        self,
        latents: Tensor,
        t: float | Tensor,
        condition: Tensor | Prepared,
        guidance: float | Tensor | Scales | None = None,
    ) -> Tensor:
        """Guided velocity [B, L, C]; items may differ in time and guidance and do not influence each other.

        Parameters
        ----------
        latents : [B, L, C] float32
        t
            Sigma from 0 to 1 as `sigmas` gives it, one for all items or [B].
        condition
            Tokens [B, T, D], or what `prepare` made of them.
        guidance
            One for all items or one each. None or 1: the conditional velocity alone. A model with a guidance
            embedding takes None as 1.
        """
        batch = len(latents)
        scales = as_scales(guidance, batch)
        times = torch.as_tensor(t, dtype=torch.float32).flatten().expand(batch).to(self.device)
        with self.denoiser.use() as denoiser:
            prepared = self._prepared(denoiser, condition)
            modulation = denoiser.prepare_times(times, embedded_scales(denoiser, scales, self.device))
            return guided_velocity(denoiser, latents.to(self.device), prepared, modulation, scales, self.savings)

    def noise(self, seeds: Sequence[int]) -> Tensor:
        """Initial latents [B, L, C], each from a float32 generator of its own on the CPU.

        So a seed means the same on every device, in every precision and in every batch.
        """
        shape = (self.settings.vae.num_latents, self.settings.denoiser.in_channels)
        rows = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.stack(rows).to(self.device)

    @torch.inference_mode()
    def sample(
        self,
        condition: Tensor | Prepared,
        *,
        num_inference_steps: int,
        guidance_scale: float | Tensor | Scales | None = 5.0,
        latents: Tensor | None = None,
        seeds: Sequence[int] | None = None,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Latents [B, L, C] after all steps, in float32.

        Parameters
        ----------
        latents, seeds
            The initial noise, or a seed for each item (0 without either).
        on_step
            May raise to cancel; nothing is kept then.
        """
        batch = condition.batch if isinstance(condition, Prepared) else len(condition)
        if latents is None:
            latents = self.noise(seeds if seeds is not None else [0] * batch)
        if len(latents) != batch:
            raise ValueError(f"{len(latents)} initial latents or seeds for a batch of {batch}")
        plan = schedule(self.settings.scheduler, num_inference_steps)
        scales = as_scales(guidance_scale, batch)
        with self.denoiser.use() as denoiser:
            return sample(
                denoiser,
                latents.to(self.device, torch.float32),
                condition if isinstance(condition, Prepared) else condition.to(self.device),
                plan,
                scales,
                self.savings,
                on_step,
            )

    def _prepared(self, denoiser: Denoiser, condition: Tensor | Prepared) -> Prepared:
        if isinstance(condition, Prepared):
            return condition
        return prepare_guidance(denoiser, condition.to(self.device), self.savings)

    @torch.inference_mode()
    def decode_latents(self, latents: Tensor) -> Tensor:
        """Tokens [B, L, W] that the point decoder attends to."""
        with self.vae.use() as vae:
            return vae.decode(latents.to(self.device))

    @torch.inference_mode()
    def query(self, tokens: Tensor, points: Tensor) -> Tensor:
        """Logits [B, P] at points [B, P, 3]: positive inside, within about +-1 near the surface."""
        with self.vae.use() as vae:
            decoder = vae.geo_decoder
            logits: Tensor = decoder(points.to(self.device, torch.float32), decoder.keys(tokens.to(self.device)))
        return logits

    @torch.inference_mode()
    def volume(
        self,
        tokens: Tensor,
        octree_resolution: int,
        *,
        method: Method = "hierarchical",
        **options: Any,
    ) -> Grid:
        """The field of one item [1, L, W] on a grid; `decode_volume` says what the options are."""
        with self.vae.use() as vae:
            return decode_volume(
                vae.geo_decoder,
                tokens.to(self.device),
                octree_resolution,
                method=method,
                savings=self.savings,
                **options,
            )

    def extract(self, grid: Grid, level: float = 0.0) -> Mesh:
        """The surface where the field equals `level`.

        Raises
        ------
        EmptySurfaceError
            The field does not cross the level.
        """
        return Mesh(*surface.extract(grid, level))

    def __call__(
        self,
        image: Images,
        *,
        num_inference_steps: int | None = None,
        guidance_scale: float | Scales | None = 5.0,
        seeds: Sequence[int] | None = None,
        octree_resolution: int = 256,
        mc_level: float = 0.0,
        method: Method = "hierarchical",
        on_step: OnStep | None = None,
        on_chunk: Callable[[float], None] | None = None,
        **options: Any,
    ) -> list[Mesh]:
        """One mesh for each picture, or one for a set of views.

        `num_inference_steps` is 50 without a value, 5 for the consistency ("turbo") models. `on_step` and `on_chunk`
        may raise to cancel. The first item without a surface raises EmptySurfaceError.
        """
        turbo = self.settings.scheduler.pcm_timesteps is not None
        latents = self.sample(
            self.encode(self.preprocess(image)),
            num_inference_steps=num_inference_steps or (5 if turbo else 50),
            guidance_scale=guidance_scale,
            seeds=seeds,
            on_step=on_step,
        )
        tokens = self.decode_latents(latents)
        decoding = {"method": method, "level": mc_level, "on_chunk": on_chunk, **options}
        return [
            self.extract(self.volume(item, octree_resolution, **decoding), mc_level) for item in torch.split(tokens, 1)
        ]


def _denoiser(settings: PipelineSettings, savings: Savings) -> Hunyuan3DDiT | HunYuanDiTPlain:
    if isinstance(settings.denoiser, DiTSettings):
        return Hunyuan3DDiT(settings.denoiser)
    return HunYuanDiTPlain(settings.denoiser, group_experts=savings.group_experts)
