"""The API's document, OpenAPI, at /openapi.json: what FastAPI reads from the routes, and the request's own schema."""

from __future__ import annotations

from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from easel.core.request import Request

SCHEMAS = "#/components/schemas/"


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document of an app, made at the first call."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        schema = Request.model_json_schema(ref_template=f"{SCHEMAS}{{model}}")
        for name, part in {**schema.pop("$defs"), "Request": schema}.items():
            schemas[name] = told_as_text(part)
        made["components"]["securitySchemes"] = {
            "password": {"type": "http", "scheme": "basic"},
            "key": {"type": "http", "scheme": "bearer"},
        }
        made["security"] = [{"password": []}, {"key": []}, {}]
        app.openapi_schema = made
    return app.openapi_schema


def told_as_text(schema: Any) -> Any:
    """Return a schema in which files are what they are in JSON: base64."""
    if isinstance(schema, list):
        return [told_as_text(part) for part in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    parts = cast("dict[str, Any]", schema)
    if parts.get("format") == "binary":
        return {**{name: part for name, part in parts.items() if name != "format"}, "contentEncoding": "base64"}
    return {name: told_as_text(part) for name, part in parts.items()}
