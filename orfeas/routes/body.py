"""Bodies and queries of both surfaces, read once for all views.

| | compatible | v1 |
|---|---|---|
| JSON | under any media type; an empty body is `{}` | `application/json`; multipart where files are taken; else 415 |
| unknown members | dropped and named in `warnings` | 422 with a pointer |

A multipart request carries either a JSON part `request` and file parts, or plain form fields and file parts.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import g, request
from flask_smorest.fields import Upload
from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields
from werkzeug.datastructures import FileStorage

from orfeas.errors import BadRequestError, InvalidRequestError, UnsupportedMediaTypeError
from orfeas.routes.context import is_v1
from orfeas.routes.problems import UNKNOWN, invalid

View = TypeVar("View", bound=Callable[..., Any])

REQUEST_PART = "request"
COMMON_QUERY = frozenset({"wait", "exp", "sig"})
MAX_DEPTH = 64
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


def compatible_body(
    blp: Any, schema: type[Schema], *, files: tuple[str, ...] = (), json_too: bool = True
) -> Callable[[View], View]:
    """Read the body of a compatible operation into one dict, the last positional argument of the view.

    `files` names the file parts: `"image"` arrives as a `FileStorage`, `"images[]"` as a list of them under `images`.
    Unknown members are dropped and named in the answer's `warnings`. With `json_too=False` only multipart is
    documented.
    """
    return _body(blp, schema, files, v1=False, json_too=json_too)


def v1_body(
    blp: Any, schema: type[Schema], *, files: tuple[str, ...] = (), json_too: bool = True
) -> Callable[[View], View]:
    """Read the body of a v1 operation into one dict, the last positional argument of the view.

    Where `files` names parts, multipart is taken too, and every file part of whatever name arrives in
    `params["files"]`, a dict of `FileStorage` by part name.
    """
    return _body(blp, schema, files, v1=True, json_too=json_too)


def query_args(blp: Any, schema: type[Schema]) -> Callable[[View], View]:
    """Read the query string into one dict, the last positional argument; unknown names as for bodies."""

    def decorate(view: View) -> View:
        documented = blp.doc(parameters=[{"in": "query", "schema": schema}])(view)
        reader = schema()

        @functools.wraps(documented)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            given = {name: values if len(values) > 1 else values[0] for name, values in request.args.lists()}
            known = {name: value for name, value in given.items() if name not in COMMON_QUERY}
            return documented(*args, load(reader, known, v1=is_v1(request.path)), **kwargs)

        return wrapper  # type: ignore[return-value]

    return decorate


def warn(message: str) -> None:
    """Add a sentence to the answer's `warnings`."""
    collected: list[str] = g.setdefault("warnings", [])
    if message not in collected:
        collected.append(message)


def load(schema: Schema, given: Mapping[str, Any], *, v1: bool) -> dict[str, Any]:
    """Validate members; what the schema does not know is refused on v1 and named in `warnings` elsewhere."""
    try:
        return dict(schema.load(given, unknown=RAISE))
    except ValidationError as error:
        if v1:
            raise invalid(error.messages_dict) from error
        unknown, rest = _parted(error.messages_dict)
        if rest:
            raise invalid(rest) from error
    for name in sorted(unknown):
        warn(f"The member {name[:64]!r} is not known and was ignored.")
    try:
        return dict(schema.load(_without(given, unknown), unknown=EXCLUDE))
    except ValidationError as error:  # Rules about several members are looked at only now.
        raise invalid(error.messages_dict) from error


def _parted(messages: Any, path: str = "") -> tuple[set[str], dict[Any, Any]]:
    """Unknown members by their dotted names, and every other message."""
    unknown: set[str] = set()
    rest: dict[Any, Any] = {}
    for name, below in messages.items():
        dotted = f"{path}.{name}" if path else str(name)
        if below == [UNKNOWN]:
            unknown.add(dotted)
        elif isinstance(below, dict):
            deeper, left = _parted(below, dotted)
            unknown |= deeper
            if left:
                rest[name] = left
        else:
            rest[name] = below
    return unknown, rest


def _without(value: Any, unknown: set[str], path: str = "") -> Any:
    if isinstance(value, list):
        return [
            _without(member, unknown, f"{path}.{index}" if path else str(index)) for index, member in enumerate(value)
        ]
    if not isinstance(value, Mapping):
        return value
    kept = {}
    for name, member in value.items():
        dotted = f"{path}.{name}" if path else str(name)
        if dotted not in unknown:
            kept[name] = _without(member, unknown, dotted)
    return kept


def _body(
    blp: Any, schema: type[Schema], files: tuple[str, ...], *, v1: bool, json_too: bool
) -> Callable[[View], View]:
    content = documented_content(schema, files, json_too=json_too)

    def decorate(view: View) -> View:
        reader = schema()
        needed = bool(files) or any(field.required for field in reader.fields.values())
        documented = blp.doc(requestBody={"content": content, "required": needed})(view)

        @functools.wraps(documented)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            read = _read_v1 if v1 else _read_compatible
            return documented(*args, read(reader, files), **kwargs)

        return wrapper  # type: ignore[return-value]

    return decorate


def documented_content(schema: type[Schema], files: tuple[str, ...], *, json_too: bool) -> dict[str, Any]:
    """The body's media types in the OpenAPI document; the form is first, as API browsers open with the first."""
    content: dict[str, Any] = {}
    if files:
        content["multipart/form-data"] = {"schema": form_schema(schema, files)}
    if json_too:
        content["application/json"] = {"schema": schema}
    return content


@functools.cache
def form_schema(schema: type[Schema], files: tuple[str, ...]) -> type[Schema]:
    """A schema with file parts, for the document: each field is a form field."""
    parts: dict[str, Any] = {}
    for name in files:
        if name.endswith("[]"):
            parts[name[:-2]] = fields.List(Upload())
        else:
            parts[name] = Upload()
    name = schema.__name__.removesuffix("Schema") + "PartsSchema"
    return type(name, (schema,), {"__doc__": schema.__doc__, **parts})


def _read_compatible(schema: Schema, files: tuple[str, ...]) -> dict[str, Any]:
    if request.mimetype in FORMS and not _is_json_all_the_same():
        params = load(schema, _form_members(schema), v1=False)
    else:
        params = load(schema, _json_object(v1=False), v1=False)
    wanted = {name.removesuffix("[]") for name in files}
    for name in request.files:
        if name.removesuffix("[]") not in wanted and name != REQUEST_PART:
            warn(f"The file part {name[:64]!r} is not known and was ignored.")
    for name in files:
        given = [part for key in (name, name.removesuffix("[]")) for part in request.files.getlist(key)]
        if name.endswith("[]") and given:
            params[name[:-2]] = list(dict.fromkeys(given))
        elif given:
            params[name] = given[0]
    return params


def _is_json_all_the_same() -> bool:
    """Whether a body that calls itself a form is a JSON object: what `curl -d` sends."""
    if request.mimetype != "application/x-www-form-urlencoded":
        return False
    return request.get_data(cache=True).lstrip()[:1] == b"{"


def _read_v1(schema: Schema, files: tuple[str, ...]) -> dict[str, Any]:
    if request.mimetype == "application/json":
        params = load(schema, _json_object(v1=True), v1=True)
        return {**params, "files": {}} if files else params
    if files and request.mimetype == "multipart/form-data":
        parts = {name: part for name, part in request.files.items() if name != REQUEST_PART}
        return {**load(schema, _form_members(schema), v1=True), "files": parts}
    if not files and not request.mimetype and not request.get_data(cache=True):
        return load(schema, {}, v1=True)
    taken = ["application/json", *(["multipart/form-data"] if files else [])]
    raise UnsupportedMediaTypeError(f"Send the body as {' or '.join(taken)}.", allowed=taken)


def _form_members(schema: Schema) -> dict[str, Any]:
    """The members of a form: those of its JSON part, or its fields with nested ones read as JSON."""
    part = _request_part()
    if part is not None:
        return _object(read_json(part))
    members: dict[str, Any] = {}
    for name, values in request.form.lists():
        if values == [""]:
            continue  # Forms send their empty fields too.
        declared = schema.fields.get(name)
        members[name] = _form_value(declared, values)
    return members


def _request_part() -> str | bytes | None:
    if REQUEST_PART in request.form:
        return request.form[REQUEST_PART]
    part: FileStorage | None = request.files.get(REQUEST_PART)
    return part.read() if part is not None and part.mimetype == "application/json" else None


def _form_value(declared: Any, values: list[str]) -> Any:
    first = values[0]
    if isinstance(declared, fields.Nested | fields.List | fields.Dict | fields.Raw) and first[:1] in ("{", "["):
        return read_json(first)
    if isinstance(declared, fields.List):
        return [part.strip() for value in values for part in value.split(",") if part.strip()]
    return first


def _json_object(*, v1: bool) -> dict[str, Any]:
    data = request.get_data(cache=True)
    if not data.strip() and not v1:
        return {}
    return _object(read_json(data))


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequestError.at("", "The body must be a JSON object.")
    return value


def read_json(data: str | bytes) -> Any:
    """Decode JSON text strictly: UTF-8, no NaN or infinity, no lone surrogates or NUL, not nested too deeply."""
    try:
        value = json.loads(data, parse_constant=_no_constant)
        _check_text(value)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"The body is not JSON that can be read: {str(error)[:200]}.") from error
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _check_text(value: Any, depth: int = 0) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("text must not contain NUL characters")
        value.encode("utf-8")  # A lone surrogate is a UnicodeEncodeError, which is a ValueError.
    elif isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_text(name, depth + 1)
            _check_text(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            _check_text(member, depth + 1)
