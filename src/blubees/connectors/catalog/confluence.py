"""Confluence's hooks: how pages go on, and a change of a page without a version. Called by connectors/actions/perform.py."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from blubees.connectors.actions.perform import CallTools
from blubees.connectors.twins import perform_action
from blubees.model.failures import Failure


def next_page(inputs: Mapping[str, Any], body: Any, _headers: Mapping[str, str]) -> dict[str, Any] | None:
    """Give the next page's inputs. The link in the body lacks the gateway's path, so that only its cursor is of use.

    Source: https://developer.atlassian.com/cloud/confluence/rest/v2/intro/#using-cursor-based-pagination
    """
    links = body.get("_links") if isinstance(body, dict) else None
    link = links.get("next") if isinstance(links, dict) else None
    cursors = parse_qs(urlsplit(link).query).get("cursor") if isinstance(link, str) else None
    return {**inputs, "cursor": cursors[0]} if cursors else None


async def update_page(given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
    """Change a page: what is left out stays as it is, and the version is the one after that which the page has now."""
    common = {"connection": given.get("connection"), "page": given.get("page")}
    page = await perform_action("confluence", "get_page", {**common, "format": "storage"}, tools)
    if isinstance(page, Failure):
        return page
    body = given.get("body")
    written = {
        **common,
        "id": page["id"],
        "status": page["status"],
        "title": given.get("title") or page["title"],
        "body": body if body is not None else page["body"]["storage"]["value"],
        "format": (given.get("format") or "storage") if body is not None else "storage",
        "version": page["version"]["number"] + 1,
        "message": given.get("message"),
    }
    return await perform_action("confluence", "write_page", written, tools)
