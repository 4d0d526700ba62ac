"""3MF packages of several objects.

Sources: 3MF Core Specification 1.3 and Materials and Properties Extension 1.2, https://3mf.io/spec
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from orfeas.geometry.assembly import Assembly, Part
from orfeas.geometry.formats.parts import base_rgba, painted
from orfeas.geometry.formats.text import NUMBER
from orfeas.geometry.formats.xml import color_group, document, mesh_element, packed

IDS = 2  # resources of a part: its colours or material, and its object
# Where each of the twelve numbers of a 3MF transform (by rows of row vectors) lies in a matrix of column vectors.
ORDER = [(row, column) for column in range(4) for row in range(3)]


def write_parts(assembly: Assembly, provenance: Mapping[str, Any], name: str) -> bytes:
    """A 3MF package in millimetres: an object for each part, put together as the components of one build item."""
    count = len(assembly.parts)
    resources = "".join(_resources(index, part) for index, part in enumerate(assembly.parts))
    whole = IDS * count + 1
    components = "".join(_component(index, part) for index, part in enumerate(assembly.parts))
    head = f'<object id="{whole}" type="model" name={quoteattr(name)}>\n'
    together = f"{head}<components>\n{components}</components>\n</object>\n"
    coloured = any(painted(part) is not None for part in assembly.parts)
    return packed(document(resources + together, whole, provenance, name, coloured=coloured))


def _resources(index: int, part: Part) -> str:
    """The colours, if any, and the object of a part."""
    group, colours, base = IDS * index + 1, painted(part), base_rgba(part)
    head, use = "", ""
    if colours is not None:
        head, use = color_group(colours, group), f' pid="{group}" pindex="0"'
    elif base is not None:
        color = "#{:02X}{:02X}{:02X}{:02X}".format(*base)
        entry = f"<base name={quoteattr(part.name)} displaycolor={quoteattr(color)}/>"
        head = f'<basematerials id="{group}">{entry}</basematerials>\n'
        use = f' pid="{group}" pindex="0"'
    return (
        f'{head}<object id="{group + 1}" type="model" name={quoteattr(part.name)}{use}>\n'
        + mesh_element(part.mesh, colours, group)
        + "</object>\n"
    )


def _component(index: int, part: Part) -> str:
    place = ""
    if not np.array_equal(part.transform, np.eye(4)):
        place = f' transform="{" ".join(NUMBER % float(part.transform[at]) for at in ORDER)}"'
    return f'<component objectid="{IDS * index + 2}"{place}/>\n'
