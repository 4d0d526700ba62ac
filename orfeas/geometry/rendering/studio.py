"""Pictures of models by ray casting: no OpenGL, no display."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from orfeas.domain.presets import LIGHTING, LightRig, Material, Vector, View
from orfeas.geometry.assembly import Assembly, Model, Part, as_assembly
from orfeas.geometry.normals import dot
from orfeas.geometry.raycast import Hits, Scene
from orfeas.geometry.rendering import finishing, ground
from orfeas.geometry.rendering.camera import Camera, Framing, framed_radius, pixel_centres
from orfeas.geometry.rendering.finishing import Layer
from orfeas.geometry.rendering.looks import LOOKS, Look
from orfeas.geometry.rendering.shading import LUMA, Lights, shade
from orfeas.geometry.rendering.slow import SlowScene
from orfeas.geometry.rendering.surfaces import Finish, Points, Surfaces
from orfeas.geometry.rendering.visibility import TURNS, Coarse, Openness, Rays
from orfeas.geometry.simplify import simplify

Floats32 = NDArray[np.float32]
Indices = NDArray[np.intp]
Progress = Callable[[float], None]

CHUNK = 16384  # points shaded at once: their arrays stay in the processor's cache
LAYERS = 8  # surfaces that are seen through each other
THREADS = min(2, os.cpu_count() or 1)  # a machine runs a worker for every two cores
STEP = 2e-4  # a ray goes on this far behind a transparent surface, in radii of the object
CONTRAST = 0.05  # of neighbouring pixels, in square roots of light, from which on both are looked at closer
CLEAREST = 0.15  # share of its opacity that a smooth colourless surface scatters
RIM = np.float32(0.5)
LIGHTING_BACKGROUND, TRANSPARENT = "lighting", "transparent"


def render_model(
    model: Model,
    *,
    view: View | Framing | None = None,
    width: int = 512,
    height: int = 512,
    material: Material | None = None,
    lighting: LightRig | None = None,
    style: str | Look = "realistic",
    background: str = LIGHTING_BACKGROUND,
    samples: int = 4,
    framed: bool = True,
    on_progress: Progress | None = None,
) -> NDArray[np.uint8]:
    """Picture of a model.

    Parameters
    ----------
    model : Model
        y up, millimetres.
    view : View, Framing or None
        A camera as in three.js, or a direction from which the model fills the frame.
    width, height : int
        Pixels.
    material : Material or None
        Takes the place of the model's own materials, colours and textures.
    lighting : LightRig or None
        None for that of the style. Lamps shine from their positions to the origin, whatever the model's size.
    style : str or Look
        A name of `orfeas.domain.presets.STYLES`.
    background : str
        `lighting` (of the style, else of the rig), `transparent` or `#rrggbb`.
    samples : int
        Rays through a pixel where the picture changes; one where it does not.
    framed : bool
        Views count in units in which every model is the same size (`rendering.camera`); else in millimetres.
    on_progress : callable or None
        Called with the share done, 0 to 1.

    Returns
    -------
    (height, width, 4) uint8
        sRGB, straight alpha; bright light is compressed where the look says so, what is above white is clipped. The
        same arguments give the same bytes.

    Raises
    ------
    EmptyMeshError
        The model has no faces.
    """
    studio = Studio(model, size=max(width, height), material=material, lighting=lighting, style=style)
    camera = studio.camera(view or Framing(), width, height, framed=framed)
    return studio.picture(camera, samples=samples, background=background, on_progress=on_progress)


class Studio:
    """A model under its lights, ready for pictures from any side."""

    def __init__(
        self,
        model: Model,
        *,
        size: int,
        material: Material | None = None,
        lighting: LightRig | None = None,
        style: str | Look = "realistic",
        threads: int = THREADS,
    ) -> None:
        self.look = style if isinstance(style, Look) else LOOKS[style]
        self.rig = lighting or LIGHTING[self.look.lighting]
        self.lights = Lights.of(self.rig)
        self._threads = threads
        if self.look.faces:
            model = _reduced(model, self.look.faces)
        self.surfaces = Surfaces.of(
            model, size=size, material=material, plain=self.look.plain, crease_deg=self.look.crease_deg,
            faceted=bool(self.look.faces),
        )  # fmt: skip
        self.rays = rays_of(self.surfaces.vertices, self.surfaces.faces)
        opaque = self.surfaces.opaque
        casters = self.rays if opaque.all() else _casters(self.surfaces, opaque)
        self._openness = Openness.of(casters, self.lights.toward[0], max(self.look.spread, 1e-3))
        self._opaque = bool(opaque.all())
        self._floor = float(self.surfaces.vertices[np.unique(self.surfaces.faces), 1].min())
        self._dark = self._ground(casters) if self.look.ground else None

    def camera(self, view: View | Framing, width: int, height: int, *, framed: bool = True) -> Camera:
        """The camera of a view of the model."""
        if isinstance(view, Framing):
            return Camera.framing(self.surfaces.vertices, view, width, height)
        if framed:
            return Camera.of(view, width, height, centre=np.zeros(3, np.float32), scale=framed_radius(width, height))
        centre = self.surfaces.centre.astype(np.float32)
        return Camera.of(view, width, height, centre=centre, scale=self.surfaces.radius)

    def picture(
        self, camera: Camera, *, samples: int = 4, background: str = LIGHTING_BACKGROUND,
        on_progress: Progress | None = None,
    ) -> NDArray[np.uint8]:  # fmt: skip
        """(h, w, 4) uint8 as of `render_model`."""
        shape = (camera.height, camera.width)
        layer = Layer(np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32))
        rows, columns = camera.window(self.surfaces.vertices)
        inner = camera.cropped(rows, columns)
        layer.light[rows, columns], layer.cover[rows, columns] = self._surface(inner, samples, on_progress)
        return self._finished(layer, camera, background)

    def _ground(self, casters: Rays | None) -> Floats32:
        """Darkness of the ground: of its contact with the model, and of the main light's shadow."""
        look, opacity = self.look, float(self.surfaces.factors[:, 3].max())
        near = look.ground * min(1.0, 0.3 + self.rig.shadow) * opacity
        dark = ground.contact_shadow(self.rays, self._floor) * np.float32(near)
        share = look.ground * self.lights.shadow * self.lights.main_share
        if casters is None or look.spread <= 0.0 or share <= 0.0:
            return dark
        cast = ground.cast_shadow(casters, self._floor, self._openness.lamp[::2]) * np.float32(share)
        return np.asarray(1.0 - (1.0 - dark) * (1.0 - cast), dtype=np.float32)

    def _finished(self, layer: Layer, camera: Camera, background: str) -> NDArray[np.uint8]:
        look = self.look
        if look.saturation != 1.0:
            layer = Layer(finishing.saturated(layer.light, look.saturation), layer.cover)
        if look.outline:
            layer = finishing.inked(layer, finishing.lines(self.surfaces, self.rays, camera, look), look.ink)
        if self._dark is not None:
            dark = ground.seen(self._dark, camera, self._floor, layer.cover < 1.0)
            layer = finishing.over_ground(layer, dark)
        if look.glow:
            layer = finishing.glowing(layer, look.glow)
        behind = self._behind(background)
        vignette = look.vignette if background == LIGHTING_BACKGROUND and look.backdrop else 0.0
        return finishing.composed(layer, behind, vignette)

    def _behind(self, background: str) -> Vector | None:
        if background == TRANSPARENT:
            return None
        if background == LIGHTING_BACKGROUND:
            return self.look.backdrop or self.rig.background
        red, green, blue = bytes.fromhex(background.removeprefix("#"))
        return red / 255.0, green / 255.0, blue / 255.0

    def _surface(self, camera: Camera, samples: int, on_progress: Progress | None) -> tuple[Floats32, Floats32]:
        """Linear light times cover, (h, w, 3), and cover, (h, w), of every pixel."""
        shape = (camera.height, camera.width)
        centres = pixel_centres(camera.width, camera.height)
        rays = camera.rays(centres)
        hits = self.rays.first(*rays)
        coarse = self._coarse(camera, hits, rays)
        rough = self._edges(hits, shape) if samples > 1 else np.zeros(len(centres), dtype=bool)
        light, cover = np.zeros((len(centres), 3), np.float32), np.zeros(len(centres), np.float32)
        plain = np.flatnonzero((hits.face >= 0) & ~rough)
        light[plain], cover[plain] = self._radiance(
            centres[plain], (rays[0][plain], rays[1][plain]), hits.at(plain), coarse
        )
        if on_progress:
            on_progress(0.4)
        if samples > 1:
            rough |= _contrast(light.reshape(*shape, 3), rough.reshape(shape)).ravel()
            pixel = np.flatnonzero(rough)
            light[pixel], cover[pixel] = self._refined(camera, centres[pixel], samples, coarse)
        if on_progress:
            on_progress(0.9)
        return light.reshape(*shape, 3), cover.reshape(shape)

    def _coarse(self, camera: Camera, hits: Hits, rays: tuple[Floats32, Floats32]) -> Coarse | None:
        if not (self.look.occlusion or self.look.spread):
            return None
        sharp = self.look.crisp and bool(self.look.spread) and self.lights.shadow > 0.0
        return Coarse.of(self.surfaces, camera, self._openness, hits, rays, sharp=sharp)

    def _refined(
        self, camera: Camera, centres: Floats32, samples: int, coarse: Coarse | None
    ) -> tuple[Floats32, Floats32]:
        """Means of several samples of pixels."""
        offsets = pattern(samples)
        place = (centres[:, None] + offsets).reshape(-1, 2).astype(np.float32)
        rays = camera.rays(place)
        hits = self.rays.first(*rays)
        turn = np.arange(len(place)) % samples % TURNS if samples >= TURNS else None
        light, cover = self._radiance(place, rays, hits, coarse, turn)
        # What is above white is clipped before it is averaged, or a bright edge would stay jagged.
        light = np.minimum(light, 1.0 if not self.look.glow else 1.5)
        return light.reshape(-1, samples, 3).mean(axis=1), cover.reshape(-1, samples).mean(axis=1)

    def _radiance(
        self, place: Floats32, rays: tuple[Floats32, Floats32], hits: Hits, coarse: Coarse | None,
        turn: Indices | None = None,
    ) -> tuple[Floats32, Floats32]:  # fmt: skip
        """Linear light times cover, and cover, along rays; `turn` as of `Openness.of_lamp`."""
        light, cover = np.zeros((len(place), 3), np.float32), np.zeros(len(place), np.float32)

        def part(start: int) -> None:
            some = slice(start, start + CHUNK)
            light[some], cover[some] = self._along(
                place[some], (rays[0][some], rays[1][some]), hits.at(some), coarse,
                None if turn is None else turn[some],
            )  # fmt: skip

        starts = range(0, len(place), CHUNK)
        if self._threads > 1 and len(starts) > 1:
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(part, starts))
        else:
            for start in starts:
                part(start)
        return light, cover

    def _along(
        self, place: Floats32, rays: tuple[Floats32, Floats32], hits: Hits, coarse: Coarse | None, turn: Indices | None
    ) -> tuple[Floats32, Floats32]:
        """As `_radiance`, through all transparent surfaces."""
        light, clear = np.zeros((len(place), 3), np.float32), np.ones(len(place), np.float32)
        origins, directions = rays
        active = np.arange(len(place))
        for depth in range(LAYERS):
            met = np.flatnonzero(hits.face >= 0)
            if len(met) == 0:
                break
            active, hits = active[met], hits.at(met)
            origins, directions = origins[met], directions[met]
            points = self.surfaces.points(hits, origins, directions)
            finish = self._finish(self.surfaces.finish(hits))
            if coarse is None:
                seen = None
            elif depth == 0:
                seen = coarse.at(place[active], points, None if turn is None else turn[active])
            else:
                seen = np.stack([self._openness.of_sky(points), self._openness.of_lamp(points)], axis=1)
            shown = shade(self.surfaces.bent(points, hits), finish, seen, self.lights, self.look)
            if self._opaque:
                light[active], clear[active] = shown, 0.0
                break
            # The back of a transparent surface is not drawn, as in three.js.
            alpha = np.where((finish.alpha < 1.0) & points.behind, np.float32(0.0), finish.alpha)
            # In clear looks the base colour is weighed already, and what is mirrored is not.
            weight = (alpha > 0.0).astype(np.float32) if self.look.clear else alpha
            light[active] += shown * (clear[active] * weight)[:, None]
            hidden = np.asarray(np.maximum(alpha, _veiled(shown, points) * weight) if self.look.clear else alpha)
            clear[active] *= 1.0 - hidden
            onward = np.flatnonzero(clear[active] > 1e-3)
            active, directions = active[onward], directions[onward]
            origins = points.position[onward] + directions * np.float32(STEP)
            hits = self.rays.first(origins, directions)
        return finishing.compressed(light, self.look.shoulder), 1.0 - clear

    def _finish(self, found: Finish) -> Finish:
        """The surface as the look has it."""
        look = self.look
        if look.gloss != 1.0:
            found = replace(found, roughness=found.roughness * np.float32(look.gloss))
        if look.clear and not self._opaque:
            left = _scattered(found)
            found = replace(found, base=found.base * left[:, None], alpha=left)
        if look.material is None:
            return found
        given = look.material
        base = np.array(given.base_color, np.float32) * (1.0 - look.tint) + found.base * np.float32(look.tint)
        one = np.ones_like(found.alpha)
        share = 4.0 * given.reflectivity**2
        return replace(
            found, base=base.astype(np.float32), metalness=one * np.float32(given.metalness),
            roughness=one * np.float32(given.roughness), f0=one * np.float32(0.04 * share),
            f90=one * np.float32(min(share, 1.0)),
        )  # fmt: skip

    def _edges(self, hits: Hits, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Pixels beside an outline, a jump in depth or a bend of the surface, flat (h * w)."""
        met = (hits.face >= 0).reshape(shape)
        depth = np.where(met, hits.distance.reshape(shape), 0.0)
        part = np.where(met, self.surfaces.part[hits.face].reshape(shape), -1)
        facet = self.surfaces.facets[hits.face].reshape(*shape, 3)
        rough = np.zeros(shape, dtype=bool)
        for axis in (0, 1):
            here, there = finishing.neighbours(axis)
            apart = (part[here] != part[there]) | (np.abs(depth[here] - depth[there]) > 0.03)
            apart |= met[here] & (dot(facet[here], facet[there]) < 0.8)
            rough[here] |= apart
            rough[there] |= apart
        return rough.ravel()


def rays_of(vertices: Floats32, faces: NDArray[np.int64]) -> Rays:
    """Embree's rays, or those of `SlowScene` where Embree has no build."""
    return Scene(vertices, faces) if has_embree() else SlowScene(vertices, faces)


def has_embree() -> bool:
    """Whether pictures are fast on this machine."""
    try:
        import embreex  # noqa: F401
    except ImportError:
        return False
    return True


def pattern(samples: int) -> Floats32:
    """Places within a pixel, (samples, 2) offsets from its centre.

    Four stand on a rotated grid, so that nearly upright and level edges have four steps. Others follow the sequence of
    M. Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018.
    """
    if samples == 4:
        return np.array([[-0.125, -0.375], [0.375, -0.125], [-0.375, 0.125], [0.125, 0.375]], dtype=np.float32)
    ratio = 1.32471795724474602596
    steps = np.arange(1, samples + 1)[:, None] * np.array([1.0 / ratio, 1.0 / ratio**2])
    return np.asarray((0.5 + steps) % 1.0 - 0.5, dtype=np.float32)


def _reduced(model: Model, faces: int) -> Model:
    """Every part with at most so many faces."""

    def fewer(part: Part) -> Part:
        return part if len(part.mesh.faces) <= faces else replace(part, mesh=simplify(part.mesh, faces, exact=False))

    return Assembly(tuple(fewer(part) for part in as_assembly(model).parts))


def _scattered(found: Finish) -> Floats32:
    """Share of the light that a surface scatters: all where it is opaque, little where it is smooth and without hue."""
    hue = 1.0 - found.base.min(axis=1) / np.maximum(found.base.max(axis=1), 1e-6)
    plain = np.clip(CLEAREST + found.roughness, 0.0, 1.0)
    share = found.alpha * (plain + (1.0 - plain) * hue)
    return np.where(found.alpha < 1.0, share, 1.0).astype(np.float32)


def _veiled(light: Floats32, points: Points) -> Floats32:
    """How much of what is behind a clear surface is hidden by what it mirrors, and by the glass along its rim."""
    rim = 1.0 - np.clip(dot(points.normal, points.view), 0.0, 1.0)
    return np.asarray(np.maximum(np.clip(light @ LUMA, 0.0, 1.0), RIM * rim**3), dtype=np.float32)


def _casters(surfaces: Surfaces, opaque: NDArray[np.bool_]) -> Rays | None:
    return rays_of(surfaces.vertices, surfaces.faces[opaque]) if opaque.any() else None


def _contrast(light: Floats32, rough: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels whose neighbour looks different, (h, w); those that are rough already tell nothing."""
    tone = np.sqrt(np.clip(light, 0.0, 1.0))
    found = np.zeros(rough.shape, dtype=bool)
    for axis in (0, 1):
        here, there = finishing.neighbours(axis)
        apart = (np.abs(tone[here] - tone[there]).max(axis=2) > CONTRAST) & ~rough[here] & ~rough[there]
        found[here] |= apart
        found[there] |= apart
    return found
