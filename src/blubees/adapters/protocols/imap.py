"""IMAP as a third party (port ProtocolClient): reads and sorts mail over TLS. Built by main/conduit.py.

The library gets a socket that the guard has connected. Looking leaves mail as it is: only `flag` marks it as read.
"""

import base64
import contextlib
import email
import email.policy
import imaplib
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage, MIMEPart
from email.utils import parsedate_to_datetime
from typing import Any, Final

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from blubees.adapters.http_connection import CallFailedError
from blubees.adapters.protocols.blocking import BlockingCalls
from blubees.adapters.protocols.call import BadArgumentError, ProtocolCall, RefusedError, answer, carry_out, read_call, refuse
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest

PORT: Final = 993
MAILS_MAX: Final = 200
MAIL_MAX_BYTES: Final = 26_214_400
_HEADERS: Final = ("from", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references")
_SUMMARY: Final = f"BODY.PEEK[HEADER.FIELDS ({' '.join(_HEADERS).upper()})]"
_FLAGS: Final = {"read": b"\\Seen", "flagged": b"\\Flagged", "answered": b"\\Answered", "draft": b"\\Draft"}
_TEXTS: Final = ("from", "to", "cc", "subject", "text", "body")


class _Line(imaplib.IMAP4):
    """The library's line, on a socket that is there already."""

    def __init__(self, connected: socket.socket, call: ProtocolCall, tls: ssl.SSLContext) -> None:
        self._connected = tls.wrap_socket(connected, server_hostname=call.origin.host)
        super().__init__(call.origin.host, call.origin.port)

    def open(self, host: str = "", port: int = PORT, timeout: float | None = None) -> None:  # noqa: ARG002 - as the library's
        self.host, self.port, self.sock = host, port, self._connected
        self.file = self.sock.makefile("rb")


class _Client(IMAPClient):  # type: ignore[misc]
    """The library's client, on such a line."""

    def __init__(self, line: Callable[[], imaplib.IMAP4]) -> None:
        self._line = line
        super().__init__("line", use_uid=True, ssl=True)

    def _create_IMAP4(self) -> imaplib.IMAP4:  # noqa: N802 - the library's
        return self._line()


def _not_there() -> RefusedError:
    """A mailbox or a mail that is asked for is not there."""
    return RefusedError(refuse(404, "not_there"))


class ImapClient:
    """Reads and sorts mail."""

    def __init__(self, calls: BlockingCalls) -> None:
        self._calls = calls

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        """See the port."""
        call = read_call(request, PORT)
        if isinstance(call, WebFailure):
            return call
        tls = self._calls.dialer.tls.plain
        work = self._calls.perform(call, lambda connected: _perform(call, connected, tls))
        return await carry_out(call, work, (OSError, IMAPClientError, imaplib.IMAP4.error))

    async def close(self) -> None:
        """Nothing is kept but threads."""
        self._calls.close()


def _perform(call: ProtocolCall, connected: socket.socket, tls: ssl.SSLContext) -> WebAnswer | WebFailure:
    work = OPERATIONS.get(call.operation)
    if work is None:
        raise BadArgumentError("operation", f"one of {', '.join(sorted(OPERATIONS))}")
    client = _begin(connected, call, tls)
    try:
        if call.token:
            client.oauth2_login(call.text("user_name"), call.token)
        else:
            client.login(call.user_name, call.password)
        return answer(200, work(client, call), call.answer_limit_bytes)
    except LoginError as error:
        raise RefusedError(refuse(401, "login", str(error))) from None
    except imaplib.IMAP4.abort:
        raise
    except (IMAPClientError, imaplib.IMAP4.error) as error:
        raise RefusedError(refuse(400, "refused", str(error))) from None
    finally:
        _end(client)


def _begin(connected: socket.socket, call: ProtocolCall, tls: ssl.SSLContext) -> IMAPClient:
    """Speak TLS, and hear the greeting: what fails here fails before anything was asked."""
    try:
        return _Client(lambda: _Line(connected, call, tls))
    except ssl.SSLError:
        raise CallFailedError(WebProblem.TLS) from None


def _end(client: IMAPClient) -> None:
    """Log out, which closes the line; one that is cut off can only be closed."""
    try:
        client.logout()
    except (IMAPClientError, imaplib.IMAP4.error, OSError):
        with contextlib.suppress(OSError):
            client.shutdown()


def _ping(client: IMAPClient, _call: ProtocolCall) -> dict[str, Any]:
    client.noop()
    return {"can": sorted(each.decode("ascii", "replace") for each in client.capabilities())}


def _list_mailboxes(client: IMAPClient, _call: ProtocolCall) -> dict[str, Any]:
    found = [{"name": str(name), "flags": [_text(flag) for flag in flags]} for flags, _, name in client.list_folders()]
    return {"mailboxes": found}


def _search(client: IMAPClient, call: ProtocolCall) -> dict[str, Any]:
    """Mails of a mailbox that are later than a UID and have what is asked for, the oldest first."""
    validity = _select(client, call, is_read_only=True)
    since = call.number("since_uid", 0, 2**32)
    criteria: list[Any] = ["UID", f"{since + 1}:*"]
    for name in _TEXTS:
        text = call.text(name)
        if any(not letter.isprintable() for letter in text):
            raise BadArgumentError(name, "text without line ends")
        criteria += [name.upper(), text] if text else []
    if "unread" in call.body:
        criteria.append("UNSEEN" if call.body["unread"] else "SEEN")
    found = sorted(uid for uid in client.search(criteria, "UTF-8") if uid > since)  # `n:*` gives the newest in any case
    limit = call.number("limit", 50, MAILS_MAX)
    chosen = found[-limit:] if not since and limit else found[:limit]
    facts = client.fetch(chosen, [_SUMMARY, "FLAGS", "RFC822.SIZE"]) if chosen else {}
    return {
        "mails": [_read_summary(uid, facts[uid]) for uid in chosen if uid in facts],
        "count": len(found),
        "uid_validity": validity,
    }


def _get(client: IMAPClient, call: ProtocolCall) -> dict[str, Any]:
    """One mail with its texts, and what is attached to it; with `contents` its files too."""
    _select(client, call, is_read_only=True)
    uid = call.number("uid", 0, 2**32)
    size = client.fetch([uid], ["RFC822.SIZE"]).get(uid, {}).get(b"RFC822.SIZE")
    if size is None:
        raise _not_there()
    if int(size) > min(MAIL_MAX_BYTES, call.answer_limit_bytes):
        raise BadArgumentError("uid", f"mail of at most {min(MAIL_MAX_BYTES, call.answer_limit_bytes):,} bytes")
    facts = client.fetch([uid], ["BODY.PEEK[]", "FLAGS", "RFC822.SIZE"])[uid]
    message = email.message_from_bytes(facts[b"BODY[]"], policy=email.policy.default)
    return _read_summary(uid, facts, message) | _read_body(message, has_contents=bool(call.body.get("contents")))


def _move(client: IMAPClient, call: ProtocolCall) -> dict[str, Any]:
    _select(client, call, is_read_only=False)
    target = call.text("target")
    if not target or not client.folder_exists(target):
        raise _not_there()
    uids = _expect(client, call)
    client.move(uids, target) if client.has_capability("MOVE") else _move_slowly(client, uids, target)
    return {"moved": len(uids)}


def _move_slowly(client: IMAPClient, uids: Sequence[int], target: str) -> None:
    client.copy(uids, target)
    client.delete_messages(uids)
    client.uid_expunge(uids) if client.has_capability("UIDPLUS") else client.expunge()


def _flag(client: IMAPClient, call: ProtocolCall) -> dict[str, Any]:
    _select(client, call, is_read_only=False)
    uids = _expect(client, call)
    changes = {name: call.body[name] for name in _FLAGS if name in call.body}
    if not changes or not all(isinstance(value, bool) for value in changes.values()):
        raise BadArgumentError("read", f"truth, as are {', '.join(_FLAGS)}; at least one of them")
    for name, value in changes.items():
        (client.add_flags if value else client.remove_flags)(uids, [_FLAGS[name]])
    return {"changed": len(uids)}


def _delete(client: IMAPClient, call: ProtocolCall) -> dict[str, Any]:
    _select(client, call, is_read_only=False)
    uids = _expect(client, call)
    client.delete_messages(uids)
    client.uid_expunge(uids) if client.has_capability("UIDPLUS") else client.expunge()
    return {"deleted": len(uids)}


def _create_mailbox(client: IMAPClient, call: ProtocolCall) -> dict[str, Any]:
    name = call.text("mailbox")
    if not name:
        raise BadArgumentError("mailbox", "name")
    if not client.folder_exists(name):
        client.create_folder(name)
    return {"name": name}


def _append(client: IMAPClient, call: ProtocolCall) -> dict[str, Any]:
    """Leave a mail in a mailbox, such as a draft."""
    message = EmailMessage()
    for name in ("from", "to", "subject"):
        try:
            message[name.title()] = call.text(name)
        except (ValueError, IndexError):
            raise BadArgumentError(name, "text without line ends") from None
    message.set_content(call.text("text"))
    client.append(call.text("mailbox") or "INBOX", message.as_bytes(), flags=[b"\\Draft"])
    return {"mailbox": call.text("mailbox") or "INBOX"}


OPERATIONS: Final[Mapping[str, Callable[[IMAPClient, ProtocolCall], dict[str, Any]]]] = {
    "ping": _ping,
    "mailboxes": _list_mailboxes,
    "search": _search,
    "get": _get,
    "move": _move,
    "flag": _flag,
    "delete": _delete,
    "create_mailbox": _create_mailbox,
    "append": _append,
}


def _select(client: IMAPClient, call: ProtocolCall, *, is_read_only: bool) -> int:
    """Open the mailbox; gives its UIDVALIDITY: when that changes, UIDs from before mean nothing."""
    name = call.text("mailbox") or "INBOX"
    if not client.folder_exists(name):
        raise _not_there()
    return int(client.select_folder(name, readonly=is_read_only).get(b"UIDVALIDITY", 0))


def _expect(client: IMAPClient, call: ProtocolCall) -> list[int]:
    """Give the mails that are named, if they are all there."""
    given = call.body.get("uids", call.body.get("uid"))
    listed = given if isinstance(given, list) else [given]
    uids = [each for each in listed if isinstance(each, int) and not isinstance(each, bool) and 0 < each < 2**32]
    if not uids or len(uids) != len(listed) or len(uids) > MAILS_MAX:
        raise BadArgumentError("uids", f"list of 1 to {MAILS_MAX} whole numbers")
    if set(client.search(["UID", ",".join(map(str, uids))])) != set(uids):
        raise _not_there()
    return uids


def _read_summary(uid: int, facts: Mapping[bytes, Any], message: EmailMessage | None = None) -> dict[str, Any]:
    if message is None:
        head = next((value for name, value in facts.items() if name.startswith(b"BODY[HEADER")), b"")
        message = email.message_from_bytes(head, policy=email.policy.default)
    flags = set(facts.get(b"FLAGS", ()))
    found = {name.replace("-", "_"): str(message.get(name, "")) for name in _HEADERS}
    return found | {
        "uid": uid,
        "date": _read_date(str(message.get("date", ""))),
        "size": int(facts.get(b"RFC822.SIZE", 0)),
        **{name: flag in flags for name, flag in _FLAGS.items()},
    }


def _read_date(text: str) -> str | None:
    try:
        return parsedate_to_datetime(text).isoformat()
    except (ValueError, TypeError):
        return None


def _read_body(message: EmailMessage, *, has_contents: bool) -> dict[str, Any]:
    texts: dict[str, Any] = {"text": "", "html": ""}
    for name, kind in (("text", "plain"), ("html", "html")):
        part = message.get_body((kind,))
        if part is not None:
            texts[name] = _read_text(part)
    attachments = []
    for part in message.iter_attachments():
        content = part.get_payload(decode=True)
        data = content if isinstance(content, bytes) else b""
        told = {"name": part.get_filename() or "", "media_type": part.get_content_type(), "size": len(data)}
        attachments.append(told | ({"content_base64": base64.b64encode(data).decode()} if has_contents else {}))
    return texts | {"attachments": attachments}


def _read_text(part: MIMEPart) -> str:
    """Read a text in whatever it says that it is written in."""
    try:
        return str(part.get_content())
    except (LookupError, ValueError):
        content = part.get_payload(decode=True)
        return content.decode("utf-8", "replace") if isinstance(content, bytes) else ""


def _text(value: bytes | str) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value
