"""Makes an OpenAPI document of the size and nature of the largest public one (a suite's graph of entities): the same each time.

22,000 operations under long paths, 4,500 schemas that refer to each other in circles and inherit from one another, lists of
choices for `$select`, every operation with responses by reference. Used by bench/importing.py and tests/connectors.
"""

import random
from typing import Any, Final

OPERATIONS: Final = 22_000
SCHEMAS: Final = 4_500
SEED: Final = 20_261_124
_TEXT: Final = """
account activity agreement alert app approval assignment attachment audit branding calendar call case category channel
chat collection column comment condition connector contact content contract conversation device directory domain drive
education entitlement event extension file folder form governance group health identity incident insight item key
label language lesson license list location mail manager member message method module notebook object offer onboarding
order organization page participant permission person phone photo place plan planner policy post presence print
privilege profile project provision query range record recording registration relation report request resource review
role room rule schedule schema section security sensor service session setting share shift sign site skill social
space store subject subscription synchronization table tag task team template term thread threat threshold time token
topic trend trust unit usage user version video view virtual vulnerability webhook workbook workflow zone
"""
WORDS: Final = _TEXT.split()
SENTENCE: Final = (
    "Retrieve the properties and relationships of the {0} object. The {1} that is returned depends on the rights of the app "
    "and on what the {2} shares with it; use $select to get properties that are not given by default, and $expand for its {3}."
)


def make_document(operations: int = OPERATIONS, schemas: int = SCHEMAS) -> dict[str, Any]:
    """Make it."""
    chance = random.Random(SEED)
    names = [_name(chance, number) for number in range(schemas)]
    paths: dict[str, Any] = {}
    made = 0
    while made < operations:
        path, parameters = _make_path(chance, len(paths))
        item: dict[str, Any] = {"description": f"Provides operations to manage the {path.rpartition('/')[2]} property."}
        for method in ("get", "patch", "delete", "post")[: chance.choice((1, 2, 3, 4, 4))]:
            if made < operations:
                item[method] = _make_operation(chance, method, path, names, made)
                made += 1
        item["parameters"] = parameters
        paths[path] = item
    return {
        "openapi": "3.0.4",
        "info": {"title": "A suite's graph", "version": "1.0", "description": "Made, not public."},
        "servers": [{"url": "https://graph.example.com/v1.0"}],
        "paths": paths,
        "components": {
            "schemas": {name: _make_schema(chance, name, names, number) for number, name in enumerate(names)} | _COLLECTIONS,
            "responses": {
                "error": {
                    "description": "error",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/graph.error"}}},
                }
            },
            "parameters": {
                "top": {
                    "name": "$top",
                    "in": "query",
                    "description": "Show only the first n items",
                    "schema": {"type": "integer", "minimum": 0},
                    "example": 50,
                },
                "skip": {
                    "name": "$skip",
                    "in": "query",
                    "description": "Skip the first n items",
                    "schema": {"type": "integer", "minimum": 0},
                },
                "search": {
                    "name": "$search",
                    "in": "query",
                    "description": "Search items by search phrases",
                    "schema": {"type": "string"},
                },
                "filter": {
                    "name": "$filter",
                    "in": "query",
                    "description": "Filter items by property values",
                    "schema": {"type": "string"},
                },
                "count": {
                    "name": "$count",
                    "in": "query",
                    "description": "Include count of items",
                    "schema": {"type": "boolean"},
                },
            },
            "securitySchemes": {
                "azureaadv2": {
                    "type": "oauth2",
                    "flows": {
                        "authorizationCode": {
                            "authorizationUrl": "https://login.example.com/authorize",
                            "tokenUrl": "https://login.example.com/token",
                            "scopes": {"User.Read": "Read"},
                        }
                    },
                }
            },
        },
        "security": [{"azureaadv2": []}],
    }


_COLLECTIONS: Final[dict[str, Any]] = {
    "graph.error": {"type": "object", "properties": {"error": {"$ref": "#/components/schemas/graph.mainError"}}},
    "graph.mainError": {
        "type": "object",
        "properties": {
            "code": {"type": "string"},
            "message": {"type": "string"},
            "details": {"type": "array", "items": {"$ref": "#/components/schemas/graph.mainError"}},
        },
    },
}


def _name(chance: random.Random, number: int) -> str:
    first, second = chance.choice(WORDS), chance.choice(WORDS)
    return f"graph.{first}{second.capitalize()}{number}"


def _make_path(chance: random.Random, number: int) -> tuple[str, list[dict[str, Any]]]:
    parts: list[str] = []
    parameters: list[dict[str, Any]] = []
    for _ in range(chance.randint(2, 5)):
        word, other = chance.choice(WORDS), chance.choice(WORDS)
        parts.append(f"{word}{other.capitalize()}s")
        if chance.random() < 0.7:
            name = f"{word}{other.capitalize()}-id"
            if all(each["name"] != name for each in parameters):
                parts.append(f"{{{name}}}")
                parameters.append(
                    {
                        "name": name,
                        "in": "path",
                        "description": f"The unique identifier of {word}{other.capitalize()}",
                        "required": True,
                        "schema": {"type": "string"},
                    }
                )
    parts.append(f"{chance.choice(WORDS)}{number}")
    return "/" + "/".join(parts), parameters


def _make_operation(chance: random.Random, method: str, path: str, names: list[str], number: int) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{chance.choice(names)}"}
    words = [chance.choice(WORDS) for _ in range(4)]
    operation: dict[str, Any] = {
        "tags": [".".join(part for part in path.split("/")[1:4] if "{" not in part)],
        "summary": f"{'Get' if method == 'get' else method.capitalize()} {words[0]} {words[1]}",
        "description": SENTENCE.format(*words),
        "externalDocs": {
            "description": "Find more info here",
            "url": f"https://docs.example.com/graph/api/{words[0]}-{method}-{number}",
        },
        "operationId": ".".join(
            [*(part.strip("{}") for part in path.split("/")[1:]), f"{method.capitalize()}{words[0].capitalize()}{number}"]
        ),
        "responses": {
            "2XX": {"description": "Retrieved entity", "content": {"application/json": {"schema": schema}}},
            "4XX": {"$ref": "#/components/responses/error"},
            "5XX": {"$ref": "#/components/responses/error"},
        },
        "x-ms-docs-operation-type": "operation",
    }
    if method == "get":
        operation["parameters"] = _make_query(chance)
        if chance.random() < 0.5:
            operation["responses"]["2XX"]["content"]["application/json"]["schema"] = {
                "type": "object",
                "title": "Collection",
                "properties": {
                    "value": {"type": "array", "items": schema},
                    "@odata.nextLink": {"type": "string", "nullable": True},
                },
            }
            operation["x-ms-pageable"] = {"nextLinkName": "@odata.nextLink", "operationName": "listMore", "itemName": "value"}
    elif method != "delete":
        operation["requestBody"] = {
            "description": "New values",
            "content": {"application/json": {"schema": schema}},
            "required": True,
        }
    else:
        operation["parameters"] = [{"name": "If-Match", "in": "header", "description": "ETag", "schema": {"type": "string"}}]
        operation["responses"]["2XX"] = {"description": "Success"}
    return operation


def _make_query(chance: random.Random) -> list[dict[str, Any]]:
    choices = ["id", *(f"{chance.choice(WORDS)}{chance.choice(WORDS).capitalize()}" for _ in range(chance.randint(4, 20)))]
    query: list[dict[str, Any]] = [
        {"$ref": f"#/components/parameters/{name}"} for name in ("top", "skip", "search", "filter", "count")
    ]
    for name, more in (("$orderby", [f"{each} desc" for each in choices]), ("$select", []), ("$expand", ["*"])):
        schema = {"uniqueItems": True, "type": "array", "items": {"enum": sorted({*choices, *more}), "type": "string"}}
        query.append(
            {
                "name": name,
                "in": "query",
                "description": f"{name[1:].capitalize()} properties to be returned",
                "style": "form",
                "explode": False,
                "schema": schema,
            }
        )
    return query


def _make_schema(chance: random.Random, name: str, names: list[str], number: int) -> dict[str, Any]:
    """One entity: it inherits from an earlier one, and refers to any, so also in circles."""
    properties: dict[str, Any] = {}
    for _ in range(chance.randint(4, 20)):
        key = f"{chance.choice(WORDS)}{chance.choice(WORDS).capitalize()}"
        reference = {"$ref": f"#/components/schemas/{chance.choice(names)}"}
        properties[key] = chance.choice(
            (
                {"type": "string", "description": SENTENCE.format(*(chance.choice(WORDS) for _ in range(4))), "nullable": True},
                {"type": "string", "format": "date-time", "pattern": "^[0-9]{4,}-(0[1-9]|1[012])", "nullable": True},
                {"type": "boolean", "nullable": True},
                {"anyOf": [reference, {"type": "object", "nullable": True}]},
                {"type": "array", "items": reference, "x-ms-navigationProperty": True},
                {"maximum": 2147483647, "minimum": -2147483648, "type": "number", "format": "int32"},
            )
        )
    body: dict[str, Any] = {
        "title": name.rpartition(".")[2],
        "required": ["@odata.type"],
        "type": "object",
        "properties": properties | {"@odata.type": {"type": "string"}},
    }
    if not number:
        return body
    base = names[chance.randrange(max(0, number - 50), number)]
    return {"allOf": [{"$ref": f"#/components/schemas/{base}"}, body], "x-ms-discriminator-value": f"#{name}"}
