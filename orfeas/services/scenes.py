"""Scenes: stored models that stand together under a light, before a camera."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from orfeas.domain.caller import Caller
from orfeas.domain.camera import upward, view
from orfeas.domain.fingerprint import canonical_json
from orfeas.domain.formats import media_type
from orfeas.domain.layout import Box, NoRoomError, bounds, box_of, layout, overlaps
from orfeas.domain.presets import CAMERA_DISTANCE, CAMERAS, Vector, View
from orfeas.domain.specs import ComposeScene, Export, ExportScene, Verify
from orfeas.errors import DoesNotFitError, InvalidRequestError, NotFoundError
from orfeas.jobs.files import Asset
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.paging import after, cursor_of, in_order
from orfeas.jobs.plan import Node, Output, Plan
from orfeas.jobs.views import JobView, Page, RunRequest, RunView, Surface
from orfeas.services.assets import AssetService
from orfeas.services.camera import CameraService
from orfeas.services.meshes import MeshService, stem_of
from orfeas.services.plans.common import provenance
from orfeas.storage.database import Database
from orfeas.storage.tables import AnyRow, scene_objects, scenes

MOST_OBJECTS = 200
ROOM_AROUND = 1.15
"""How much farther the camera stands than what just shows the scene's ball."""
FORMATS = ("glb", "stl", "obj", "3mf")
Wait = Callable[[JobView], JobView]


@dataclass(frozen=True, slots=True)
class SceneObject:
    """A model in a scene. `position` is the middle of its underside before it is turned; millimetres, degrees."""

    id: str
    asset_id: str
    name: str
    position: Vector
    rotation_deg: Vector
    scale: Vector
    material: str | None
    visible: bool
    extents_mm: Vector | None

    @property
    def box(self) -> Box | None:
        """Its space relative to its position; None while its mesh is not read."""
        return None if self.extents_mm is None else box_of(self.extents_mm, self.scale, self.rotation_deg)

    def members(self) -> dict[str, Any]:
        """What is stored of it."""
        found = asdict(self)
        return {name: found[name] for name in ("name", "position", "rotation_deg", "scale", "material", "visible")}


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene. `camera` is the name of a view, or the members of one."""

    id: str
    name: str
    lighting: str
    camera: str | dict[str, Any]
    objects: tuple[SceneObject, ...]
    created_at: float

    @property
    def shown(self) -> tuple[SceneObject, ...]:
        """The visible objects."""
        return tuple(found for found in self.objects if found.visible)

    @property
    def boxes(self) -> list[Box]:
        """The spaces of the visible objects that are known."""
        return [found.box.at(found.position) for found in self.shown if found.box is not None]

    @property
    def bounds(self) -> Box | None:
        """The box around all visible objects."""
        return bounds(self.boxes)

    @property
    def overlaps(self) -> int:
        """How many pairs of visible objects share space, by their boxes."""
        return overlaps(self.boxes)


class SceneService:
    """Keep scenes, lay them out and write them to files."""

    JOB_TYPE = "scene_export"

    def __init__(
        self,
        database: Database,
        jobs: Jobs,
        assets: AssetService,
        meshes: MeshService,
        cameras: CameraService,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._assets = assets
        self._meshes = meshes
        self._cameras = cameras
        self._now = now

    def create(self, caller: Caller, name: str, *, lighting: str, camera: str | dict[str, Any]) -> Scene:
        """An empty scene."""
        self._check_camera(caller, camera)
        scene_id = str(uuid.uuid4())
        row = {"tenant": caller.tenant, "name": name, "lighting": lighting, "camera": camera}
        with self._database.transaction() as connection:
            connection.execute(insert(scenes).values(id=scene_id, created_at=self._now(), **row))
        return self.get(caller, scene_id)

    def get(self, caller: Caller, scene_id: str) -> Scene:
        """One scene.

        Raises
        ------
        NotFoundError
            There is none.
        """
        with self._database.read() as connection:
            return self._read(connection, caller, scene_id)

    def list(self, caller: Caller, *, limit: int, cursor: str | None, newest_first: bool) -> Page[Scene]:
        """A page of scenes by time."""
        query = select(scenes.c.id, scenes.c.created_at).where(scenes.c.tenant == caller.tenant)
        if cursor:
            query = query.where(after(scenes, cursor, newest_first=newest_first))
        query = query.order_by(*in_order(scenes, newest_first=newest_first)).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            found = tuple(self._read(connection, caller, row.id) for row in rows[:limit])
        return Page(found, cursor_of(rows[limit - 1]) if len(rows) > limit else None)

    def delete(self, caller: Caller, scene_id: str) -> None:
        """Let a scene go; the models stay."""
        self.get(caller, scene_id)
        with self._database.transaction() as connection:
            connection.execute(delete(scene_objects).where(scene_objects.c.scene_id == scene_id.lower()))
            connection.execute(delete(scenes).where(scenes.c.id == scene_id.lower()))

    def add(self, caller: Caller, scene_id: str, asset: Asset, members: Mapping[str, Any], wait: Wait) -> Scene:
        """Put a stored model into a scene."""
        scene = self.get(caller, scene_id)
        if len(scene.objects) >= MOST_OBJECTS:
            raise InvalidRequestError(f"A scene holds at most {MOST_OBJECTS} objects.", limit=MOST_OBJECTS)
        self._meshes.stored(caller, asset)
        self._meshes.with_facts(caller, asset, wait)
        name = members.get("name") or stem_of(asset.filename)
        kept = {**members, "name": name}
        with self._database.transaction() as connection:
            place = connection.execute(
                select(func.coalesce(func.max(scene_objects.c.place), -1) + 1).where(
                    scene_objects.c.scene_id == scene.id
                )
            ).scalar_one()
            connection.execute(
                insert(scene_objects).values(
                    id=str(uuid.uuid4()), scene_id=scene.id, place=place, asset_id=asset.id, members=kept
                )
            )
        return self.get(caller, scene_id)

    def change(self, caller: Caller, scene_id: str, object_id: str, changes: Mapping[str, Any]) -> Scene:
        """Give an object other members."""
        scene = self.get(caller, scene_id)
        found = _object(scene, object_id)
        self._store(scene, [replace(found, **changes)])
        return self.get(caller, scene_id)

    def remove(self, caller: Caller, scene_id: str, object_id: str) -> None:
        """Take an object out of a scene."""
        found = _object(self.get(caller, scene_id), object_id)
        with self._database.transaction() as connection:
            connection.execute(delete(scene_objects).where(scene_objects.c.id == found.id))

    def lay_out(
        self, caller: Caller, scene_id: str, strategy: str, *, spacing_mm: float, bed_mm: tuple[float, float] | None,
        wait: Wait,
    ) -> Scene:  # fmt: skip
        """Set the positions of the visible objects so that none overlap.

        Raises
        ------
        DoesNotFitError
            `pack` has no room for all of them; the error lists the rest.
        """
        scene = self._measured(caller, scene_id, wait)
        shown = scene.shown
        boxes = [_box(found) for found in shown]
        positions = [found.position for found in shown]
        try:
            placed = layout(strategy, boxes, positions, spacing=spacing_mm, bed=bed_mm)
        except NoRoomError as error:
            rest = [{"id": shown[index].id, "name": shown[index].name} for index in error.rest]
            names = ", ".join(entry["name"] for entry in rest)
            raise DoesNotFitError(f"The bed has no room for {names}; take a larger one.", rest=rest) from error
        self._store(scene, [replace(found, position=at) for found, at in zip(shown, placed, strict=True)])
        return self.get(caller, scene_id)

    def export(self, caller: Caller, scene_id: str, format_name: str, *, flatten: bool, wait: Wait) -> JobView:
        """Queue one file of all visible objects; a glb file also has the light and the camera."""
        scene = self._measured(caller, scene_id, wait)
        if not scene.shown:
            raise InvalidRequestError("The scene shows no objects; add one first.")
        asked = {"scene_id": scene.id, "format": format_name, "flatten": flatten}
        return self._jobs.create(caller, Surface.V1, self._request(caller, scene, format_name, asked, flatten=flatten))

    def retry(self, caller: Caller, run: RunView, *, retried_from: str) -> JobView:
        """The scene as it is now, once more."""
        asked = run.request
        scene = self.get(caller, asked["scene_id"])
        request = self._request(caller, scene, asked["format"], asked, flatten=asked["flatten"])
        return self._jobs.create(caller, Surface.V1, request, retried_from=retried_from)

    def _request(
        self, caller: Caller, scene: Scene, format_name: str, asked: dict[str, Any], *, flatten: bool
    ) -> RunRequest:
        given = [self._meshes.stored(caller, self._assets.content(caller, found.asset_id)) for found in scene.shown]
        objects = canonical_json([found.members() for found in scene.shown])
        model = Node(ComposeScene(objects=objects, flatten=flatten), tuple(found.read() for found in given))
        licence = ", ".join(sorted({found.licence for found in given if found.licence})) or None
        recipe, name = provenance(model, licence=licence), stem_of(f"{scene.name}.scene")
        spec: Export | ExportScene = Export(format=format_name, recipe=recipe)
        if format_name == "glb":
            camera = canonical_json(_camera_document(self._view(caller, scene)))
            spec = ExportScene(lighting=scene.lighting, camera=camera, recipe=recipe, part_name=name)
        written = Node(spec, (model,))
        check = Node(Verify(format=format_name), (written,))
        output = Output(written, "model", format_name, f"{name}.{format_name}", media_type(format_name), "y", check)
        return RunRequest(type=self.JOB_TYPE, plan=Plan((output,)), request=asked)

    def _view(self, caller: Caller, scene: Scene) -> View:
        """The scene's camera; a named one is moved along its direction until it shows all."""
        if not isinstance(scene.camera, str):
            return view(scene.camera)
        named = self._cameras.named(caller, scene.camera)
        around = scene.bounds
        if around is None:
            return named
        middle = tuple((low + high) / 2.0 for low, high in zip(around.low, around.high, strict=True))
        radius = max(math.dist(around.low, around.high) / 2.0, 1.0)
        reach = math.dist(named.position, named.target) or CAMERA_DISTANCE
        distance = ROOM_AROUND * radius / math.sin(math.radians(named.fov) / 2.0)
        place = tuple(
            centre + (at - target) / reach * distance
            for centre, at, target in zip(middle, named.position, named.target, strict=True)
        )
        position, target = (place[0], place[1], place[2]), (middle[0], middle[1], middle[2])
        return View(position, upward(position, target), target, named.fov, named.projection)

    def _check_camera(self, caller: Caller, camera: str | dict[str, Any]) -> None:
        if isinstance(camera, str) and camera not in CAMERAS:
            self._cameras.named(caller, camera)

    def _measured(self, caller: Caller, scene_id: str, wait: Wait) -> Scene:
        """The scene with the sides of all shown objects."""
        scene = self.get(caller, scene_id)
        unknown = [found for found in scene.shown if found.extents_mm is None]
        for found in unknown:
            self._meshes.with_facts(caller, self._assets.content(caller, found.asset_id), wait)
        return self.get(caller, scene_id) if unknown else scene

    def _store(self, scene: Scene, objects: Sequence[SceneObject]) -> None:
        with self._database.transaction() as connection:
            for found in objects:
                connection.execute(
                    update(scene_objects).where(scene_objects.c.id == found.id).values(members=found.members())
                )

    def _read(self, connection: Connection, caller: Caller, scene_id: str) -> Scene:
        mine = (scenes.c.id == scene_id.lower()) & (scenes.c.tenant == caller.tenant)
        row = connection.execute(select(scenes).where(mine)).one_or_none()
        if row is None:
            raise NotFoundError(f"There is no scene {scene_id[:64]!r}.")
        rows = connection.execute(
            select(scene_objects).where(scene_objects.c.scene_id == row.id).order_by(scene_objects.c.place)
        ).all()
        sides = self._assets.extents(connection, caller, [found.asset_id for found in rows])
        objects = tuple(_of_row(found, sides.get(found.asset_id)) for found in rows)
        return Scene(row.id, row.name, row.lighting, row.camera, objects, row.created_at)


def _of_row(row: AnyRow, extents: Sequence[float] | None) -> SceneObject:
    members = dict(row.members)
    return SceneObject(
        id=row.id,
        asset_id=row.asset_id,
        name=members["name"],
        position=_vector(members["position"]),
        rotation_deg=_vector(members["rotation_deg"]),
        scale=_vector(members["scale"]),
        material=members["material"],
        visible=members["visible"],
        extents_mm=None if extents is None else _vector(extents),
    )


def _vector(numbers: Sequence[float]) -> Vector:
    return (float(numbers[0]), float(numbers[1]), float(numbers[2]))


def _object(scene: Scene, object_id: str) -> SceneObject:
    for found in scene.objects:
        if found.id == object_id.lower():
            return found
    raise NotFoundError(f"The scene has no object {object_id[:64]!r}.")


def _box(found: SceneObject) -> Box:
    if found.box is None:
        detail = f"The mesh of {found.name!r} was not read yet; ask again in a moment."
        raise InvalidRequestError(detail, retry_after=2)
    return found.box


def _camera_document(seen: View) -> dict[str, Any]:
    return asdict(seen)
