"""The operations of the OpenAPI document, by category."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from orfeas.openapi import document
from orfeas.reference.tables import table

METHODS = ("get", "post", "put", "patch", "delete")
CODES = re.compile(r"`([a-z_]+)`:")
FILE = "file"

Schema = Mapping[str, Any]


def endpoints() -> str:
    """Every operation, then the objects that they take and answer."""
    book = Book(document())
    return "\n\n".join([*book.sections(), *book.objects()])


class Book:
    """The chapters of the page; objects are told once, at the end."""

    def __init__(self, whole: Schema) -> None:
        self._whole = whole
        self._schemas: Mapping[str, Schema] = whole["components"]["schemas"]
        self._taken: set[str] = set()
        self._answered: set[str] = set()

    def sections(self) -> list[str]:
        """One section for each category."""
        return ["\n\n".join(self._section(tag)) for tag in self._whole["tags"]]

    def _section(self, tag: Schema) -> Iterator[str]:
        yield f"## {tag['name']}"
        yield tag["description"]
        for path, item in self._whole["paths"].items():
            for method in METHODS:
                if method in item and item[method]["tags"] == [tag["name"]]:
                    yield f"### {method.upper()} {path}"
                    yield from self._operation(item[method])

    def _operation(self, operation: Schema) -> Iterator[str]:
        yield operation["summary"].rstrip(".") + "."
        rows = [*self._parameters(operation), *self._body(operation)]
        if rows:
            yield table(("member", "in", "type", "default", "meaning"), rows)
        yield "\n".join(self._answers(operation))

    def _parameters(self, operation: Schema) -> Iterator[tuple[str, ...]]:
        for found in operation.get("parameters", []):
            if found["in"] != "path" and found["name"] != "Idempotency-Key":
                yield self._row(found["name"], found["in"], found["schema"], found, found.get("required", False))

    def _body(self, operation: Schema) -> Iterator[tuple[str, ...]]:
        """The members of a body: a form has those of JSON, and files."""
        content = operation.get("requestBody", {}).get("content", {})
        form = self._members(content.get("multipart/form-data"))
        plain = self._members(content.get("application/json"))
        needed = [*self._needed(content.get("application/json")), *self._needed(content.get("multipart/form-data"))]
        for name, field in {**form, **plain}.items():
            where = "body" if name in plain else "form"
            yield self._row(name, where, field, field, name in needed, file=_is_file(form.get(name, {})))
        if any(kind not in ("multipart/form-data", "application/json") for kind in content):
            yield ("the whole body", "body", FILE, "", "In place of a form: the file with its media type.")

    def _members(self, content: Schema | None) -> Mapping[str, Schema]:
        return dict(self._resolved((content or {}).get("schema", {})).get("properties", {}))

    def _needed(self, content: Schema | None) -> list[str]:
        return list(self._resolved((content or {}).get("schema", {})).get("required", []))

    def _resolved(self, schema: Schema) -> Schema:
        name = _name(schema)
        return self._schemas[name] if name else schema

    def _row(
        self, name: str, where: str, schema: Schema, told: Schema, needed: bool, *, file: bool = False
    ) -> tuple[str, ...]:
        kind = self._kind(schema, self._taken)
        if file and kind not in (FILE, "files"):
            kind = f"{kind} or {FILE}"
        default = "required" if needed else _shown(schema.get("default"))
        return f"`{name}`", where, kind, default, told.get("description", "")

    def _kind(self, schema: Schema, seen: set[str]) -> str:
        """A type in words, with its limits."""
        name = _name(schema)
        if name:
            seen.add(name)
            return f"[{name}](#object-{name.lower()})"
        if _is_file(schema):
            return FILE if schema.get("type") != "array" else "files"
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            kinds = [self._kind(choice, seen) for choice in choices if choice.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds))
        if "enum" in schema:
            return ", ".join(f"`{_shown(value)}`" for value in schema["enum"] if value is not None)
        if schema.get("type") == "array":
            return f"list of {self._kind(schema.get('items', {}), seen)}" + _limits(schema, "minItems", "maxItems")
        return _plain(schema)

    def _answers(self, operation: Schema) -> Iterator[str]:
        for status, response in sorted(operation["responses"].items()):
            if status < "400":
                yield f"- {status}: {self._content(response)}"
        codes = [
            code
            for status, response in sorted(operation["responses"].items())
            if "400" <= status < "600"
            for code in CODES.findall(response.get("description", ""))
        ]
        if codes:
            yield "- problems: " + ", ".join(f"`{code}`" for code in codes)

    def _content(self, response: Schema) -> str:
        kinds = [
            f"`{kind}`" if kind != "application/json" else self._kind(content.get("schema", {}), self._answered)
            for kind, content in response.get("content", {}).items()
        ]
        return " or ".join(kinds) or str(response.get("description", "")).rstrip(".") + "."

    def objects(self) -> Iterator[str]:
        """What operations take and answer, and what lies in it."""
        self._grow(self._taken)
        self._grow(self._answered)
        yield "## Objects in requests"
        for name in sorted(self._taken):
            rows = [
                (row[0], *row[2:])
                for member, field in self._schemas[name].get("properties", {}).items()
                for row in [self._row(member, "", field, field, member in self._schemas[name].get("required", []))]
            ]
            yield _heading(name)
            yield table(("member", "type", "default", "meaning"), rows)
        yield "## Objects in answers"
        for name in sorted(self._answered - self._taken):
            yield _heading(name)
            yield "\n".join(self._told(name))

    def _grow(self, names: set[str]) -> None:
        """Add the objects that lie in others."""
        while True:
            inner: set[str] = set()
            for name in names:
                for field in self._schemas[name].get("properties", {}).values():
                    self._kind(field, inner)
            if inner <= names:
                return
            names |= inner

    def _told(self, name: str) -> Iterator[str]:
        for member, field in self._schemas[name].get("properties", {}).items():
            meaning = field.get("description", "")
            yield f"- `{member}`: {self._kind(field, set())}" + (f". {meaning}" if meaning else "")


def _name(schema: Schema) -> str:
    return str(schema.get("$ref", "")).removeprefix("#/components/schemas/")


def _heading(name: str) -> str:
    """A heading with an anchor of its own: categories and objects share words."""
    return f'### <a id="object-{name.lower()}"></a>{name}'


def _is_file(schema: Schema) -> bool:
    return bool(schema.get("items", schema).get("format") == "binary")


def _plain(schema: Schema) -> str:
    kinds = schema.get("type", "any")
    kind = next((kind for kind in kinds if kind != "null"), "any") if isinstance(kinds, list) else str(kinds)
    ends = ("minLength", "maxLength") if kind == "string" else ("minimum", "maximum")
    return kind + _limits(schema, *ends)


def _limits(schema: Schema, low: str, high: str) -> str:
    if low in schema and high in schema:
        return f" {_shown(schema[low])} to {_shown(schema[high])}"
    if low in schema:
        return f" from {_shown(schema[low])}"
    return f" to {_shown(schema[high])}" if high in schema else ""


@functools.singledispatch
def _shown(value: object) -> str:
    """A value as JSON has it, empty for none."""
    return "" if value is None else str(value)


@_shown.register
def _(value: bool) -> str:
    return str(value).lower()


@_shown.register
def _(value: float) -> str:
    return f"{value:g}"


@_shown.register
def _(value: list) -> str:  # type: ignore[type-arg]
    return ", ".join(map(_shown, value)) or "none"
