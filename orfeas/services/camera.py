"""Views that are kept by name, beside the standard ones."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select

from orfeas.domain.caller import Caller
from orfeas.domain.camera import view
from orfeas.domain.presets import CAMERAS, View
from orfeas.errors import InvalidNameError
from orfeas.storage.database import Database
from orfeas.storage.tables import presets

KIND = "camera"


@dataclass(frozen=True, slots=True)
class SavedView:
    """A view with its name; `camera` has the members of a request."""

    id: str
    name: str
    description: str
    camera: dict[str, Any]
    created_at: float
    replaced: bool = False


class CameraService:
    """Keep views and find them by name."""

    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now

    def saved(self, caller: Caller) -> list[SavedView]:
        """All kept views, by name."""
        mine = select(presets).where(presets.c.tenant == caller.tenant, presets.c.kind == KIND)
        with self._database.read() as connection:
            return [_saved(row) for row in connection.execute(mine.order_by(presets.c.name))]

    def save(self, caller: Caller, name: str, camera: dict[str, Any], description: str = "") -> SavedView:
        """Keep a view; one of the same name is replaced and keeps its id."""
        if name in CAMERAS:
            raise InvalidNameError(f"{name!r} is a standard view; choose another name.")
        mine = (presets.c.tenant == caller.tenant) & (presets.c.kind == KIND) & (presets.c.name == name)
        with self._database.transaction() as connection:
            before = connection.execute(select(presets.c.value).where(mine)).scalar()
            connection.execute(delete(presets).where(mine))
            kept = {"id": before["id"] if before else str(uuid.uuid4()), **camera}
            at = self._now()
            connection.execute(
                insert(presets).values(
                    tenant=caller.tenant, kind=KIND, name=name, value=kept, description=description, created_at=at
                )
            )
        return SavedView(kept["id"], name, description, camera, at, replaced=before is not None)

    def named(self, caller: Caller, name: str) -> View:
        """A standard or kept view.

        Raises
        ------
        InvalidNameError
            There is none of that name; the error lists those that there are.
        """
        if name in CAMERAS:
            return CAMERAS[name]
        saved = {found.name: found for found in self.saved(caller)}
        if name not in saved:
            names = [*CAMERAS, *saved]
            raise InvalidNameError(f"There is no view {name!r}; there are {', '.join(names)}.", allowed=names)
        return view(saved[name].camera)


def _saved(row: Any) -> SavedView:
    camera = dict(row.value)
    return SavedView(camera.pop("id"), row.name, row.description or "", camera, row.created_at)
