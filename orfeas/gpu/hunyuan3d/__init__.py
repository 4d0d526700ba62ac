"""Hunyuan3D shape generation: every released variant of 2.0, mini, mv and 2.1.

Written from the papers (arXiv 2501.12202, 2506.15442; FlashVDM: 2503.16302) and from recorded numbers.

    pipe = Hunyuan3DPipeline.from_pretrained(models_root, repo, subfolder, device="cpu", dtype=torch.float32)
    meshes = pipe(image, num_inference_steps=50, guidance_scale=5.0, octree_resolution=256)

The steps one by one, for those who schedule them (shapes: B items, T condition tokens, L latent tokens):

    from_pretrained(models_root, repo, subfolder, *, device, dtype, vae_subfolder)
    preprocess(images)                                  picture, list, or views by name -> image, mask, view_idxs
    encode(preprocessed)                                condition tokens [B, T, D]
    sigmas(num_inference_steps)                         times [n + 1], 0 (noise) to 1 (data)
    prepare(condition)                                  projections for all steps; may stand for the tokens below
    denoise(latents, t, condition, guidance=None)       guided velocity [B, L, C]; t and guidance differ by item
    sample(condition, *, num_inference_steps, guidance_scale, latents=None, seeds=None, on_step=None)
    decode_latents(latents)                             tokens [B, L, W]
    query(tokens, points)                               logits [B, P]
    volume(tokens, octree_resolution, *, method, num_chunks, min_resolution, on_chunk)      Grid of one item
    extract(grid, level=0.0)                            vertices and faces in model coordinates, outward

Callbacks may raise to cancel; what the call held is then released. Failures are `CheckpointError`,
`InvalidImageError` and `EmptySurfaceError` of `orfeas.errors`.
"""

from orfeas.gpu.hunyuan3d.pipeline import Hunyuan3DPipeline, Mesh
from orfeas.gpu.hunyuan3d.savings import Savings

__all__ = ["Hunyuan3DPipeline", "Mesh", "Savings"]
