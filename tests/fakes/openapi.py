"""Small documents of OpenAPI for tests."""

from typing import Any


def make_document(
    operation: dict[str, Any] | None = None, *, path: str = "/things", method: str = "get", **more: Any
) -> dict[str, Any]:
    """Make a document of OpenAPI 3.1 with one operation."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Things", "version": "2"},
        "servers": [{"url": "https://api.example.com/v1"}],
        "paths": {path: {method: operation or {"responses": {}}}},
    } | more


def json_body(schema: dict[str, Any], *, required: bool = True, media_type: str = "application/json") -> dict[str, Any]:
    """Make an operation with a body."""
    return {"requestBody": {"required": required, "content": {media_type: {"schema": schema}}}, "responses": {}}


def answer(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Make responses of an operation."""
    return {"responses": {"200": {"description": "", "content": {"application/json": {"schema": schema}}} | more}}
