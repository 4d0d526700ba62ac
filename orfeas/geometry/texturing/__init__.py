"""Looks of any mesh: materials, photos from several sides on a UV atlas, colours of another mesh."""

from orfeas.geometry.texturing.charts import Unwrapped, unwrap
from orfeas.geometry.texturing.material import dressed
from orfeas.geometry.texturing.project import Projected, project
from orfeas.geometry.texturing.transfer import faithful, transfer

__all__ = ["Projected", "Unwrapped", "dressed", "faithful", "project", "transfer", "unwrap"]
