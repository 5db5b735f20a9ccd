"""Operations of Swagger 2.0 written as OpenAPI 3's, so that one reader reads both. Used by connectors/importers/openapi."""

from collections.abc import Mapping
from typing import Any, Final

from blubees.connectors.importers.openapi.refs import Files

FORM_TYPES: Final = ("multipart/form-data", "application/x-www-form-urlencoded")
_STYLES: Final[Mapping[str, tuple[str, bool]]] = {
    "csv": ("form", False),
    "ssv": ("spaceDelimited", False),
    "pipes": ("pipeDelimited", False),
    "multi": ("form", True),
    "tsv": ("tsv", False),  # OpenAPI 3 has none: the reader leaves it out
}
_NOT_SCHEMA: Final = frozenset({"name", "in", "description", "required", "collectionFormat", "allowEmptyValue", "schema"})


def upgrade_operation(
    operation: Mapping[str, Any], parameters: list[tuple[dict[str, Any], str]], document: Mapping[str, Any], files: Files
) -> tuple[dict[str, Any], list[tuple[dict[str, Any], str]]]:
    """Write an operation, and its parameters (with the file of each), as OpenAPI 3's."""
    consumes = _list(operation, document, "consumes") or ["application/json"]
    produces = _list(operation, document, "produces") or ["application/json"]
    kept, fields = [], []
    body: dict[str, Any] | None = None
    for given, file in parameters:
        place = given.get("in")
        if place == "body":
            content = {media: {"schema": given.get("schema", {})} for media in consumes if media not in FORM_TYPES}
            body = {"content": content or {"application/json": {"schema": given.get("schema", {})}}} | _common(given)
        elif place == "formData":
            fields.append(given)
        else:
            kept.append((_upgrade_parameter(given), file))
    if fields:
        body = _gather_fields(fields, consumes)
    upgraded = dict(operation) | {"responses": _upgrade_responses(operation, produces, files)}
    upgraded.pop("requestBody", None)
    upgraded.pop("servers", None)
    if body is not None:
        upgraded["requestBody"] = body
    return upgraded, kept


def _list(operation: Mapping[str, Any], document: Mapping[str, Any], key: str) -> list[str]:
    given = operation.get(key, document.get(key))
    return [each for each in given if isinstance(each, str)] if isinstance(given, list) else []


def _common(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: given[key] for key in ("description", "required") if key in given}


def _upgrade_parameter(given: Mapping[str, Any]) -> dict[str, Any]:
    schema = {key: value for key, value in given.items() if key not in _NOT_SCHEMA and not key.startswith("x-ms-")}
    upgraded: dict[str, Any] = {"name": given.get("name"), "in": given.get("in"), "schema": schema} | _common(given)
    if given.get("type") == "array":
        style, explode = _STYLES.get(str(given.get("collectionFormat", "csv")), ("form", False))
        if given.get("in") in {"path", "header"}:
            style = "simple" if style == "form" else "tsv"
        upgraded |= {"style": style, "explode": explode}
    for key in ("example", "x-example"):
        if key in given:
            upgraded["example"] = given[key]
    return upgraded


def _gather_fields(fields: list[dict[str, Any]], consumes: list[str]) -> dict[str, Any]:
    media = next((each for each in consumes if each in FORM_TYPES), "")
    if not media or any(each.get("type") == "file" for each in fields):
        media = FORM_TYPES[0] if any(each.get("type") == "file" for each in fields) else media or FORM_TYPES[1]
    properties, encoding = {}, {}
    for each in fields:
        upgraded = _upgrade_parameter(each)
        name = str(each.get("name", ""))
        properties[name] = upgraded["schema"] | ({"description": each["description"]} if "description" in each else {})
        if "style" in upgraded:
            encoding[name] = {"style": upgraded["style"], "explode": upgraded["explode"]}
    required = [str(each.get("name", "")) for each in fields if each.get("required") is True]
    schema = {"type": "object", "properties": properties, "required": required}
    return {"required": bool(required), "content": {media: {"schema": schema, "encoding": encoding}}}


def _upgrade_responses(operation: Mapping[str, Any], produces: list[str], files: Files) -> dict[str, Any]:
    given = operation.get("responses")
    upgraded = {}
    for status, value in given.items() if isinstance(given, dict) else ():
        response, _ = files.resolve(value, files.main)
        content = {}
        if "schema" in response:
            examples = response.get("examples") if isinstance(response.get("examples"), dict) else {}
            for media in produces:
                content[media] = {"schema": response["schema"]}
                if media in examples:
                    content[media]["example"] = examples[media]
        upgraded[str(status)] = {"description": response.get("description", ""), "content": content}
        if isinstance(response.get("headers"), dict):
            upgraded[str(status)]["headers"] = response["headers"]
    return upgraded
