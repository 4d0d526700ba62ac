"""Reflection of light by metal and rough surfaces, in the formulas of three.js (MeshPhysicalMaterial, release 170).

A light of intensity one makes a matt white surface that faces it white: reflected light is counted in shares of that,
which is what three.js shows for an intensity of pi.

References
----------
B. Walter et al., "Microfacet models for refraction through rough surfaces", EGSR 2007 (the distribution).
E. Heitz, "Understanding the masking-shadowing function in microfacet-based BRDFs", JCGT 3(2), 2014.
B. Karis, "Real shading in Unreal Engine 4", SIGGRAPH 2013 course (Fresnel term), and "Physically based shading on
mobile", 2014 (the fit of the environment's term).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.normals import dot, unit
from orfeas.geometry.rendering.surfaces import Finish

Floats32 = NDArray[np.float32]

SMOOTHEST = 0.0525  # three.js keeps roughness above this


@dataclass(frozen=True, slots=True)
class Reflectance:
    """A finish as reflection needs it: (n, 3) `diffuse` and `specular`, (n,) `f90`, `roughness` and squared alpha."""

    diffuse: Floats32
    specular: Floats32
    f90: Floats32
    roughness: Floats32
    a2: Floats32

    @classmethod
    def of(cls, finish: Finish) -> Reflectance:
        """Metals reflect in their own colour and scatter nothing."""
        metal, roughness = finish.metalness[:, None], np.maximum(finish.roughness, np.float32(SMOOTHEST))
        return cls(
            diffuse=finish.base * (1.0 - metal),
            specular=finish.f0[:, None] * (1.0 - metal) + finish.base * metal,
            f90=finish.f90 + (1.0 - finish.f90) * finish.metalness,
            roughness=roughness,
            a2=roughness**4,
        )


def highlight(surface: Reflectance, normal: Floats32, view: Floats32, toward: Floats32) -> Floats32:
    """Share of a directional light that is mirrored to the eye, (n, 3), without the cosine of its incidence."""
    half = unit(view + toward)
    nl = np.clip(normal @ toward, 0.0, 1.0)
    nv, nh = np.clip(dot(normal, view), 0.0, 1.0), np.clip(dot(normal, half), 0.0, 1.0)
    vh = np.clip(dot(view, half), 0.0, 1.0)
    a2 = surface.a2
    masked = nl * np.sqrt(a2 + (1.0 - a2) * nv * nv) + nv * np.sqrt(a2 + (1.0 - a2) * nl * nl)
    below = nh * nh * (a2 - 1.0) + 1.0
    # The distribution's 1 / pi and the light's pi cancel.
    strength = 0.5 * a2 / (np.maximum(masked, 1e-6) * below * below)
    fresnel = np.exp2((-5.55473 * vh - 6.98316) * vh)
    tail = (strength * fresnel * surface.f90)[:, None]
    return np.asarray(surface.specular * (strength * (1.0 - fresnel))[:, None] + tail, dtype=np.float32)


def mirrored(surface: Reflectance, nv: Floats32) -> Floats32:
    """Share of an even environment that is mirrored to the eye, (n, 3)."""
    r = surface.roughness
    x = 1.0 - r
    a = np.minimum(x * x, np.exp2(-9.28 * nv)) * x + (0.0425 - 0.0275 * r)
    scale, bias = -1.04 * a + (1.04 - 0.572 * r), 1.04 * a + (0.022 * r - 0.04)
    return np.asarray(surface.specular * scale[:, None] + (surface.f90 * bias)[:, None], dtype=np.float32)
