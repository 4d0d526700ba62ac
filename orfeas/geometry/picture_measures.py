"""What a picture is good for as an input of a shape."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from orfeas.geometry import subject

OPAQUE = 250
"""Alpha of 255 from which a pixel counts as opaque."""
INSIDE = 0.5


def measure_picture(rgba: NDArray[np.uint8]) -> dict[str, Any]:
    """Size, subject, sharpness, contrast and alpha of a picture.

    Parameters
    ----------
    rgba : (h, w, 4) uint8
        Straight-alpha sRGB, oriented.

    Returns
    -------
    dict
        JSON values. `subject_coverage` is the share of the frame inside the subject's outline and `border_contact` the
        share of the frame's rim that it touches; both None where no subject can be told apart. `sharpness` is the
        variance of the Laplacian of the grey levels 0 to 255, `contrast` their standard deviation over 255, both
        inside the subject where there is one. `has_alpha`: the picture is not opaque everywhere.

    References
    ----------
    J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000: variance of the Laplacian.
    """
    found = subject.prepare_whole(rgba)
    height, width = rgba.shape[:2]
    inside = found.alpha > INSIDE
    grey = cv2.cvtColor(found.rgb, cv2.COLOR_RGB2GRAY)
    looked_at = inside if found.found and inside.any() else np.ones_like(inside)
    edges = cv2.Laplacian(grey, cv2.CV_64F)
    rim = np.concatenate([inside[0], inside[-1], inside[1:-1, 0], inside[1:-1, -1]])
    return {
        "width": width,
        "height": height,
        "megapixels": round(width * height / 1e6, 4),
        "subject_found": found.found,
        "subject_coverage": round(float(inside.mean()), 5) if found.found else None,
        "border_contact": round(float(rim.mean()), 5) if found.found else None,
        "sharpness": round(float(edges[looked_at].var()), 3),
        "contrast": round(float(grey[looked_at].std()) / 255.0, 5),
        "has_alpha": bool((rgba[..., 3] < OPAQUE).any()),
        "notes": list(found.warnings),
    }
