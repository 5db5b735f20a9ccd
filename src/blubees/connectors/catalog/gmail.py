"""Gmail's hooks: messages are sent and read as MIME, written and read here. Called by connectors/actions/perform.py."""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from blubees.connectors.actions.perform import CallTools
from blubees.connectors.twins import perform_action
from blubees.model.failures import Failure, FailureCode

PARTS_MAX = 200
ADDRESSES = {"to": "To", "cc": "Cc", "bcc": "Bcc", "reply_to": "Reply-To"}


async def send_message(given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
    """Send a message."""
    raw = _write_message(given, {})
    if isinstance(raw, Failure):
        return raw
    return await perform_action("gmail", "send_raw_message", {**_keep(given, "connection", "thread"), "raw": raw}, tools)


async def create_draft(given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
    """Write a draft."""
    raw = _write_message(given, {})
    if isinstance(raw, Failure):
        return raw
    return await perform_action("gmail", "create_raw_draft", {**_keep(given, "connection", "thread"), "raw": raw}, tools)


async def reply_to_message(given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
    """Reply to a message in its thread: to who sent it, unless `to` says otherwise."""
    headers = ["Message-ID", "References", "Subject", "From", "Reply-To"]
    asked = {**_keep(given, "connection", "message"), "format": "metadata", "headers": headers}
    found = await perform_action("gmail", "get_raw_message", asked, tools)
    if isinstance(found, Failure):
        return found
    known = _read_headers(found)
    subject = known.get("subject", "")
    identity = known.get("message-id", "")
    extra = {"In-Reply-To": identity, "References": f"{known.get('references', '')} {identity}".strip()} if identity else {}
    written = {
        **given,
        "to": given.get("to") or [known.get("reply-to") or known.get("from", "")],
        "subject": subject if subject.lower().startswith("re:") else f"Re: {subject}",
    }
    raw = _write_message(written, extra)
    if isinstance(raw, Failure):
        return raw
    sent = {**_keep(given, "connection"), "thread": found.get("threadId"), "raw": raw}
    return await perform_action("gmail", "send_raw_message", sent, tools)


async def get_message(given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
    """Get a message with its headers, its text and the names of its attachments, decoded."""
    asked = {**_keep(given, "connection", "message"), "format": "full"}
    found = await perform_action("gmail", "get_raw_message", asked, tools)
    if isinstance(found, Failure):
        return found
    headers = _read_headers(found)
    parts = list(_walk(found.get("payload") or {}))
    return {
        "id": found.get("id"),
        "thread": found.get("threadId"),
        "labels": found.get("labelIds", []),
        "snippet": found.get("snippet", ""),
        "received_milliseconds": int(found.get("internalDate") or 0),
        **{name: headers.get(name, "") for name in ("from", "to", "cc", "subject", "date")},
        "message_id": headers.get("message-id", ""),
        "text": _read_text(parts, "text/plain"),
        "html": _read_text(parts, "text/html"),
        "attachments": [
            {
                "id": part["body"].get("attachmentId", ""),
                "name": part["filename"],
                "media_type": part.get("mimeType", ""),
                "size": part["body"].get("size", 0),
            }
            for part in parts
            if part.get("filename") and isinstance(part.get("body"), dict)
        ],
    }


async def list_added_messages(given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
    """List the messages that came since a history record; the newest one alone where none is told, or it is too long ago."""
    since, label = given.get("since"), given.get("label")
    if since is not None:
        asked = {**_keep(given, "connection", "label"), "since": since, "types": ["messageAdded"]}
        found = await perform_action("gmail", "list_history", asked, tools)
        if not isinstance(found, Failure):
            return [_tell_added(each["id"], added["message"]) for each in found for added in each.get("messagesAdded", [])]
        if found.code is not FailureCode.NOT_FOUND:
            return found
    listed = {**_keep(given, "connection"), "labels": [label] if label else None, "limit": 1}
    newest = await perform_action("gmail", "list_messages", listed, tools)
    if isinstance(newest, Failure) or not newest:
        return newest
    asked = {**_keep(given, "connection"), "message": newest[0]["id"], "format": "minimal"}
    message = await perform_action("gmail", "get_raw_message", asked, tools)
    return message if isinstance(message, Failure) else [_tell_added(message["historyId"], message)]


def _tell_added(history: str, message: Mapping[str, Any]) -> dict[str, Any]:
    return {"history": history, "id": message["id"], "threadId": message["threadId"], "labels": message.get("labelIds", [])}


def _keep(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: given[name] for name in names if given.get(name) is not None}


def _write_message(given: Mapping[str, Any], headers: Mapping[str, str]) -> str | Failure:
    """Write MIME in Base64url; a header with a line end in it is refused by the library, and so by us."""
    message = EmailMessage(policy=SMTP)
    field = "with"
    try:
        for name, header in ADDRESSES.items():
            field = f"with.{name}"
            people = given.get(name) or []
            if people:
                message[header] = ", ".join([people] if isinstance(people, str) else people)
        field = "with.subject"
        message["Subject"] = str(given.get("subject") or "")
        for header, text in headers.items():
            message[header] = text
        field = "with.body"
        _write_body(message, given)
        field = "with.attachments"
        for each in given.get("attachments") or []:
            main, _, sub = str(each.get("media_type") or "application/octet-stream").partition("/")
            content = base64.b64decode(each["content"], validate=True)
            message.add_attachment(content, maintype=main, subtype=sub, filename=str(each["name"]))
        return base64.urlsafe_b64encode(_write_bytes(message)).decode()
    except (ValueError, TypeError, KeyError, LookupError, AttributeError, binascii.Error):
        return Failure(code=FailureCode.INPUT_INVALID, field=field, detail="not_mail")


def _write_body(message: EmailMessage, given: Mapping[str, Any]) -> None:
    text, html = given.get("text"), given.get("html")
    if text is not None or html is None:
        message.set_content(str(text or ""))
        if html is not None:
            message.add_alternative(str(html), subtype="html")
    else:
        message.set_content(str(html), subtype="html")


def _write_bytes(message: EmailMessage) -> bytes:
    """Write it with boundaries that come of what is in it, so that the same message is the same when sent again."""
    for number, part in enumerate(message.walk()):
        if part.is_multipart():
            inside = b"\0".join(each.as_bytes() for each in message.walk() if not each.is_multipart())
            part.set_boundary(f"bb{number}{hashlib.sha256(inside).hexdigest()[:40]}")
    return message.as_bytes()


def _read_headers(message: Mapping[str, Any]) -> dict[str, str]:
    listed = (message.get("payload") or {}).get("headers") or []
    return {str(each.get("name", "")).lower(): str(each.get("value", "")) for each in listed if isinstance(each, dict)}


def _walk(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    waiting: list[Any] = [part]
    for _ in range(PARTS_MAX):
        if not waiting:
            return
        each = waiting.pop(0)
        if isinstance(each, dict):
            yield each
            waiting[:0] = each.get("parts") or []


def _read_text(parts: list[Mapping[str, Any]], media_type: str) -> str:
    for part in parts:
        data = (part.get("body") or {}).get("data")
        if part.get("mimeType") == media_type and not part.get("filename") and isinstance(data, str):
            try:
                return base64.urlsafe_b64decode(data + "=" * (-len(data) % 4)).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                return ""
    return ""
