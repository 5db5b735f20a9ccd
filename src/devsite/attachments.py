"""Attachments of the stand-in's issues: files in memory, as Jira's REST v3 takes and gives them. Called by app.py.

Source: https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-attachments/. Unlike Jira's, the content
comes at once, also where no `redirect=false` is asked for.
"""

import re
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP

from devsite.rest import RefusedError
from devsite.state import Issue, Json, Site, stamp

CONTENT = re.compile(r"/rest/api/3/attachment/content/([^/]+)")
UPLOAD = re.compile(r"/rest/api/3/issue/([^/]+)/attachments")


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes, as an answer."""

    data: bytes
    headers: dict[str, str]


def attach(site: Site, key: str, actor: str, raw: bytes, headers: dict[str, str]) -> list[Json]:
    """POST /issue/{key}/attachments: the parts named `file`."""
    issue = site.find(key)
    if issue is None:
        raise RefusedError(404, "Issue does not exist or you do not have permission to see it.")
    if headers.get("x-atlassian-token") != "no-check":
        raise RefusedError(403, "XSRF check failed")
    kind = headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise RefusedError(415, "Unsupported Media Type")
    form = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + raw)
    made = []
    for part in form.iter_parts():
        if part.get_param("name", header="content-disposition") == "file":
            data = part.get_payload(decode=True)
            made.append(_keep(site, issue, actor, part.get_filename() or "file", part.get_content_type(), bytes(data or b"")))
    if not made:
        raise RefusedError(400, "No file was given.")
    return made


def read(site: Site, identity: str) -> Content:
    """GET /attachment/content/{id}."""
    for issue in site.issues.values():
        for each in issue.fields["attachment"]:
            if each["id"] == identity:
                disposition = f'attachment; filename="{each["filename"]}"'
                return Content(site.files[identity], {"Content-Type": each["mimeType"], "Content-Disposition": disposition})
    raise RefusedError(404, "The attachment with the id does not exist")


def _keep(site: Site, issue: Issue, actor: str, name: str, kind: str, data: bytes) -> Json:
    identity = site.new_id()
    site.files[identity] = data
    made = {
        "self": f"{site.api}/attachment/{identity}",
        "id": identity,
        "filename": name,
        "author": site.user(actor),
        "created": stamp(),
        "size": len(data),
        "mimeType": kind,
        "content": f"{site.api}/attachment/content/{identity}",
    }
    issue.fields["attachment"].append(made)
    return made
