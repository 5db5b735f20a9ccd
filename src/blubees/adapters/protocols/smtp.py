"""SMTP as a third party (port ProtocolClient): sends mail over TLS. Built by main/conduit.py.

`smtps://` speaks TLS from the first byte, but on the ports 587 and 25; there, as by `smtp://`, it is asked for before anything
else is said (STARTTLS): nothing is said to a server that has none. The library gets a socket that the guard has connected.
"""

import base64
import binascii
import contextlib
import re
import ssl
from collections.abc import Iterator
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses
from typing import Any, Final

import aiosmtplib

from blubees.adapters.http_connection import CallFailedError
from blubees.adapters.http_dialer import Dialer
from blubees.adapters.protocols.call import BadArgumentError, ProtocolCall, RefusedError, answer, carry_out, read_call, refuse
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest
from blubees.ports import Chance, Clock

PORT: Final = 587
TLS_PORT: Final = 465
OPERATIONS: Final = ("ping", "send")
ADDRESSES_MAX: Final = 100
ATTACHMENTS_MAX: Final = 20
_BEGINS_PLAIN: Final = re.compile(r"^smtps://[^/]*:(587|25)(/|$)")
_HEADER_NAME: Final = re.compile(r"[!-9;-~]{1,76}")  # RFC 5322, section 2.2
_OURS: Final = frozenset(
    {"from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "mime-version", "content-type"}
)


class SmtpClient:
    """Sends mail, one connection for each."""

    def __init__(self, dialer: Dialer, clock: Clock, chance: Chance) -> None:
        self._dialer, self._clock, self._chance = dialer, clock, chance

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        """See the port."""
        is_tls = request.url.startswith("smtps://") and not _BEGINS_PLAIN.search(request.url)
        call = read_call(request, TLS_PORT if is_tls else PORT, is_tls=is_tls)
        if isinstance(call, WebFailure):
            return call
        return await carry_out(call, self._perform(call), (OSError, aiosmtplib.SMTPException))

    async def _perform(self, call: ProtocolCall) -> WebAnswer | WebFailure:
        if call.operation not in OPERATIONS:
            raise BadArgumentError("operation", f"one of {', '.join(OPERATIONS)}")
        try:
            return await (self._send(call) if call.operation == "send" else self._ping(call))
        except aiosmtplib.SMTPRecipientsRefused as error:
            code = min(each.code for each in error.recipients)
            raise RefusedError(refuse(_read_code(code), str(code))) from None
        except aiosmtplib.SMTPResponseException as error:
            raise RefusedError(refuse(_read_code(error.code), str(error.code), error.message)) from None

    async def close(self) -> None:
        """Nothing is kept."""

    async def _ping(self, call: ProtocolCall) -> WebAnswer | WebFailure:
        async with self._connect(call) as server:
            code, _ = await server.noop()
        return answer(200, {"code": code})

    async def _send(self, call: ProtocolCall) -> WebAnswer | WebFailure:
        message = _write_message(call)
        sender = _read_addresses(call.texts("from"), "from")[0].addr_spec
        everybody = [each.addr_spec for name in ("to", "cc", "bcc") for each in _read_addresses(call.texts(name), name)]
        if not 1 <= len(everybody) <= ADDRESSES_MAX:
            raise BadArgumentError("to", f"list of addresses, with cc and bcc 1 to {ADDRESSES_MAX}")
        name = call.text("message_id") or f"{self._chance.bytes(16).hex()}@{sender.rpartition('@')[2]}"
        _add_header(message, "Message-ID", f"<{name.strip('<>')}>", "message_id")
        message["Date"] = format_datetime(self._clock.now())
        async with self._connect(call) as server:
            refused, _ = await server.send_message(message, sender=sender, recipients=everybody)
        told = {address: {"code": reply.code} for address, reply in refused.items()}
        return answer(200, {"message_id": message["Message-ID"], "accepted": len(everybody) - len(told), "refused": told})

    @contextlib.asynccontextmanager
    async def _connect(self, call: ProtocolCall) -> Any:  # noqa: ANN401 - an async iterator of the library's client
        connected = await self._dialer.dial(call.origin)
        server = aiosmtplib.SMTP(
            hostname=call.origin.host,
            sock=connected,
            port=None,
            timeout=call.timeout_seconds,
            use_tls=call.origin.is_tls,
            start_tls=not call.origin.is_tls,
            tls_context=self._dialer.tls.plain,
            local_hostname="blubees",
        )
        try:
            await _begin(server)
            if call.user_name:
                await server.login(call.user_name, call.password)
            yield server
            with contextlib.suppress(aiosmtplib.SMTPException):
                await server.quit()
        finally:
            server.close()  # with it the socket, which is the transport's


async def _begin(server: aiosmtplib.SMTP) -> None:
    """Greet, and speak TLS: what fails here fails before anything was asked."""
    try:
        await server.connect()
    except aiosmtplib.SMTPResponseException:
        raise
    except (aiosmtplib.SMTPException, OSError) as error:
        if isinstance(error, TimeoutError):
            raise
        is_of_tls = isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError) or "TLS" in str(error)
        raise CallFailedError(WebProblem.TLS if is_of_tls else WebProblem.UNREACHABLE) from None


def _write_message(call: ProtocolCall) -> EmailMessage:
    message = EmailMessage()
    for name, header in (("from", "From"), ("to", "To"), ("cc", "Cc"), ("reply_to", "Reply-To")):
        found = _read_addresses(call.texts(name), name)
        if found:
            message[header] = found
    if "From" not in message:
        raise BadArgumentError("from", "address")
    _add_header(message, "Subject", call.text("subject"), "subject")
    for name, value in call.mapping("headers").items():
        if name.lower() in _OURS or not isinstance(value, str):
            raise BadArgumentError("headers", "object of texts, without the headers that have arguments of their own")
        _add_header(message, name, value, "headers")
    text, html = call.text("text"), call.text("html")
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    for name, media_type, content in _list_attachments(call):
        kind, _, subtype = media_type.partition("/")
        message.add_attachment(content, maintype=kind, subtype=subtype, filename=name)
    return message


def _add_header(message: EmailMessage, name: str, value: str, argument: str) -> None:
    if not _HEADER_NAME.fullmatch(name):
        raise BadArgumentError(argument, "object of header names to texts")
    try:
        message[name] = value
    except (ValueError, IndexError):  # a line end in it, or a name that is none
        raise BadArgumentError(argument, "text without line ends") from None


def _read_addresses(texts: list[str], argument: str) -> list[Address]:
    found: list[Address] = []
    if any(not letter.isprintable() for text in texts for letter in text):
        raise BadArgumentError(argument, "mail address, or list of them")
    for display, address in getaddresses(texts):
        try:
            found.append(Address(display_name=display, addr_spec=address))
        except (ValueError, IndexError):
            raise BadArgumentError(argument, "mail address, or list of them") from None
        if "@" not in address or any(not 33 <= ord(letter) < 127 for letter in address):  # noqa: PLR2004 - ASCII that is seen
            raise BadArgumentError(argument, "mail address, or list of them")
    return found


def _list_attachments(call: ProtocolCall) -> Iterator[tuple[str, str, bytes]]:
    listed = call.body.get("attachments") or []
    if not isinstance(listed, list) or len(listed) > ATTACHMENTS_MAX:
        raise BadArgumentError("attachments", f"list of up to {ATTACHMENTS_MAX}")
    for each in listed:
        try:
            name, media_type = str(each["name"]), str(each.get("media_type") or "application/octet-stream")
            content = base64.b64decode(each["content_base64"], validate=True)
        except (KeyError, TypeError, AttributeError, binascii.Error):
            raise BadArgumentError("attachments", "list of {name, content_base64, media_type}") from None
        if media_type.count("/") != 1 or any(ord(letter) < 32 for letter in name + media_type):  # noqa: PLR2004 - control characters
            raise BadArgumentError("attachments", "list of {name, content_base64, media_type}")
        yield name, media_type, content


def _read_code(code: int) -> int:
    """Give the status of HTTP that means the same. Source: RFC 5321, section 4.2; RFC 4954, section 6."""
    if code in {530, 534, 535, 538}:
        return 401
    if code in {421, 450, 451, 452, 454}:
        return 429
    if code == 552:  # noqa: PLR2004 - too large
        return 413
    return 404 if code in {550, 551, 553} else 400
