"""Presets hold what is published."""

import pytest

from orfeas.domain import presets
from orfeas.domain.specs import SPECS
from orfeas.domain.steps import STEPS, step_of


def test_a_printer_uses_95_percent_of_each_side():
    printer = presets.PRINTERS["halot-x1"]
    assert printer.holds((182.4, 114.0, 190.0))
    assert not printer.holds((182.5, 100.0, 100.0))
    assert not printer.holds((100.0, 114.1, 100.0))


def test_standard_views_look_from_the_published_distance():
    assert presets.CAMERAS["front"].position == (0.0, 0.0, 10.0)
    assert presets.CAMERAS["top"].up == (0.0, 0.0, -1.0)
    assert set(presets.LIGHTING) == {"studio", "outdoor", "dramatic", "night", "warm"}
    assert presets.MATERIALS["glass"].opacity == 0.6


@pytest.mark.parametrize("name", STEPS)
def test_every_stage_of_a_generation_has_a_compatible_step(name):
    assert name in SPECS
    assert step_of(name) in ("image_preprocessing", "shape_generation", "texture_synthesis", "mesh_export")


@pytest.mark.parametrize("name", sorted(set(SPECS) - set(STEPS)))
def test_every_other_stage_shows_its_own_name(name):
    assert step_of(name) == name
