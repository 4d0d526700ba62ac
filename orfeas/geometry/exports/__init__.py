"""Models for game engines: collision shapes and levels of detail beside the model, and bundles of files."""

from orfeas.geometry.exports.assemble import COLLISIONS, NODELESS, Collision, assemble, bundle
from orfeas.geometry.exports.convex import box, convex_parts, hull

__all__ = ["COLLISIONS", "NODELESS", "Collision", "assemble", "box", "bundle", "convex_parts", "hull"]
