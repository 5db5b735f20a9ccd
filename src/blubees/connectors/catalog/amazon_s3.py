"""Amazon S3's hook: what was written since a time. S3 lists by keys, so all is looked through. Called by actions/perform.py."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from blubees.connectors.actions.pages import LIMIT, LIMIT_MAX
from blubees.connectors.actions.perform import CallTools
from blubees.connectors.twins import perform_action
from blubees.expressions.dates import read_date
from blubees.model.failures import Failure, FailureCode

OBJECTS_MAX: Final = 50_000
"""That are looked through: 50 calls, some 10 s; held are those that were written since."""


async def list_changed_objects(given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
    """List what was written at a time or later. A failure when there is more than can be looked through."""
    bucket = given["bucket"]
    asked = {name: given[name] for name in ("connection", "bucket", "prefix") if name in given} | {LIMIT: LIMIT_MAX}
    since = read_date(given["since"]) if "since" in given else None
    if "since" in given and since is None:
        return Failure(code=FailureCode.INPUT_INVALID, field="with.since", detail="text_not_date")
    found: list[dict[str, Any]] = []
    for _ in range(OBJECTS_MAX // LIMIT_MAX):
        listed = await perform_action("amazon_s3", "list_objects", asked, tools)
        if isinstance(listed, Failure):
            return listed
        for each in listed:
            written = read_date(each.get("LastModified"))
            if written is None or since is None or written >= since:
                found.append({**each, "bucket": bucket, "id": _name(bucket, each)})
        if len(listed) < LIMIT_MAX:
            return found
        asked["start_after"] = listed[-1]["Key"]
    return Failure(code=FailureCode.RUN_TOO_LARGE, field="with.prefix", detail="objects")


def _name(bucket: str, item: Mapping[str, Any]) -> str:
    """Name a state of an object: a key can be longer than a delivery's name may be."""
    told = "\0".join((bucket, item.get("Key", ""), item.get("ETag", "")))
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:32]
