"""Jira Service Management's hook: how the pages of the knowledge base go on. Called by connectors/actions/pages.py."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit


def next_articles(inputs: Mapping[str, Any], body: Any, _headers: Mapping[str, str]) -> dict[str, Any] | None:
    """Give the next page's inputs. The link in the body leads to the site, not to the gateway: only its cursor is of use.

    Source: https://developer.atlassian.com/cloud/jira/service-desk/rest/api-group-knowledgebase/
    """
    links = body.get("_links") if isinstance(body, dict) else None
    link = links.get("next") if isinstance(links, dict) else None
    cursors = parse_qs(urlsplit(link).query).get("cursor") if isinstance(link, str) else None
    return {**inputs, "cursor": cursors[0]} if cursors else None
