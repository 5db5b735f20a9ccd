"""Asks people whether BluBees may: by a browser (PKCE, a state that is good once), or by a code at another device (RFC 8628).

Called by operations/connections.py, and by the door to which vendors send browsers back. In the control plane only.
Source: RFC 6749, 7636, 8628, 9207, 9700; docs/decisions/0045-authorisation.md.
"""

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

import msgspec

from blubees.model.connection import Connection, ConnectionKind, OpenConnection
from blubees.model.errors import InputError, MissingError, UnavailableError
from blubees.model.grant import Consent, ConsentState, Going, Start
from blubees.model.ids import TENANT_PATTERN, ConnectionName, TenantId
from blubees.model.web import WebAnswer, WebFailure, WebProblem
from blubees.ports import Chance, Clock, Events, GrantStore, WebClient
from blubees.vault.keyring import Keyring
from blubees.vault.keyring import mark as mark_by
from blubees.vault.oauth.asking import Asker
from blubees.vault.oauth.keeping import GrantKeeper
from blubees.vault.oauth.leasing import add_owner
from blubees.vault.oauth.tokens import Refused, TokenProblem, read_error, read_object, read_tokens
from blubees.vault.seal import seal_committed, unseal_committed
from blubees.vault.secrets import VaultService

LIFE_MILLISECONDS: Final = 600_000  # a person has ten minutes to say yes
PURPOSE: Final = "consent"
START: Final = "start"  # our own page, beside the callback: where a person begins
CHANCE_BYTES: Final = 32
CODE_MAX_CHARACTERS: Final = 4_096
INTERVAL_SECONDS: Final = 5.0  # RFC 8628, section 3.2, and its steps of slow_down
DEVICE_LIFE_MAX_SECONDS: Final = 1_800
_STATE: Final = re.compile(rf"({TENANT_PATTERN.strip('^$')})\.([A-Za-z0-9_-]{{43}})")
HOST_RULES: Final = (
    "It leads to a host that this tenant's settings do not permit. Have an administrator permit it: `tenants settings "
    "--egress-allow` and `--egress-deny`."
)
_FROM_PEOPLE: Final = frozenset({"access_denied", "user_denied", "consent_required"})


class Begun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A question to a person that is open.

    Attributes:
        consent: its mark: how to ask what became of it.
        url: what to open; for a device, where to type the code.
        user_code: what to type there.
        url_with_code: the same with the code in it, where the vendor offers that.
    """

    consent: str
    url: str
    expires_at_milliseconds: int
    scopes: tuple[str, ...]
    user_code: str = ""
    url_with_code: str = ""


class ConsentService:
    """Asks people, and takes their answers.

    Args:
        callback: the address to which vendors send browsers back; registered at each vendor.
        choose_scopes: what to ask for, by a connection.
    """

    def __init__(
        self,
        vault: VaultService,
        store: GrantStore,
        keeper: GrantKeeper,
        keyring: Keyring,
        web: WebClient,
        clock: Clock,
        chance: Chance,
        events: Events,
        *,
        callback: str,
        choose_scopes: Callable[[Connection], Awaitable[tuple[str, ...]]],
    ) -> None:
        self._vault, self._store, self._keeper, self._keyring, self._web = vault, store, keeper, keyring, web
        self._clock, self._chance, self._events = clock, chance, events
        self.callback, self._choose_scopes = callback, choose_scopes
        self._polling: set[asyncio.Task[None]] = set()

    async def begin(self, tenant: TenantId, name: ConnectionName, by: str) -> Begun:
        """Open a question to a person.

        Args:
            by: who asks, as the door knows them.

        Raises:
            MissingError: no such connection. InputError: its kind asks nobody. UnavailableError: the vendor gives no code now.
        """
        opened = await self._vault.open(tenant, name)
        if opened is None:
            raise MissingError("There is no such connection. `connection list` shows the names.")
        scopes = await self._choose_scopes(opened.connection)
        if opened.connection.kind is ConnectionKind.OAUTH2_CODE:
            return await self._begin_code(opened, scopes, by)
        if opened.connection.kind is ConnectionKind.OAUTH2_DEVICE:
            return await self._begin_device(opened, scopes, by)
        raise InputError(f"A connection of kind {opened.connection.kind.value} asks nobody: there is nothing to authorize.")

    async def find_start(self, state: str) -> Start | None:
        """Tell what a person must read before they go to the vendor. None: there is no such question that is open."""
        consent = await self._find_open(state)
        opened = await self._vault.open(consent.tenant, consent.connection) if consent is not None else None
        if consent is None or opened is None:
            return None
        return Start(
            connection=consent.connection,
            vendor=urlsplit(opened.connection.settings.get("authorize_url", "")).hostname or "",
            by=consent.by,
            cookie=self._name_cookie(consent) + "-ask",
            nonce=self._draw(),
            is_secure=self._is_secure,
        )

    async def go_on(self, state: str) -> Going | None:
        """A person has read it and goes on: only the browser that they did it in can bring the answer. None: as above."""
        consent = await self._find_open(state)
        opened = await self._vault.open(consent.tenant, consent.connection) if consent is not None else None
        if consent is None or opened is None or _digest(opened.connection) != consent.digest:
            return None
        verifier = await self._unseal(consent)
        url = self._make_asker(opened).write_authorize_url(
            redirect_uri=self.callback, state=state, verifier=verifier, scopes=consent.scopes
        )
        proof = await self._prove(consent)
        return Going(url=url, cookie=self._name_cookie(consent), proof=proof, is_secure=self._is_secure)

    async def take_answer(self, query: Mapping[str, str], cookies: Mapping[str, str]) -> Consent | None:
        """A browser has come back from a vendor; gives the question with its end. None: it answers no question that is open.

        An answer that another browser brings than the one that was sent there leaves the question open, and its code unused:
        nobody plants their grant into another's connection, nor another's into theirs. What stands in the query and in
        cookies is from outside; nothing of it is told on.
        """
        found = await self._find_open(query.get("state", ""))
        if found is None:
            return None
        brought = cookies.get(self._name_cookie(found), "")
        if not hmac.compare_digest(brought.encode(), (await self._prove(found)).encode()):
            return None
        consent = await self._store.take_consent(found.tenant, found.mark, self._clock.now_milliseconds())
        if consent is None:
            return None
        outcome = await self._redeem(consent, query)
        return await self._end(consent, outcome)

    async def find(self, tenant: TenantId, mark: str) -> Consent:
        """Tell how far a question is. Raises MissingError."""
        consent = await self._store.load_consent(tenant, mark)
        if consent is None:
            raise MissingError("There is no such question any more. Ask again: `connection authorize NAME`.")
        if consent.state is ConsentState.OPEN and self._clock.now_milliseconds() >= consent.expires_at_milliseconds:
            return msgspec.structs.replace(consent, state=ConsentState.FAILED, outcome=TokenProblem.EXPIRED.value)
        return consent

    async def close(self) -> None:
        """Stop asking vendors about device codes."""
        for task in self._polling:
            task.cancel()
        if self._polling:
            await asyncio.wait(self._polling)

    async def _begin_code(self, opened: OpenConnection, scopes: tuple[str, ...], by: str) -> Begun:
        connection = opened.connection
        state = f"{connection.tenant}.{self._draw()}"
        verifier, mark = self._draw(), _hash(state)
        consent = await self._add(connection, mark, verifier, scopes, by, LIFE_MILLISECONDS)
        url = f"{urljoin(self.callback, START)}?{urlencode({'state': state})}"
        return Begun(consent=mark, url=url, expires_at_milliseconds=consent.expires_at_milliseconds, scopes=scopes)

    async def _begin_device(self, opened: OpenConnection, scopes: tuple[str, ...], by: str) -> Begun:
        connection = opened.connection
        answer = await self._web.call(add_owner(self._make_asker(opened).begin_device(scopes), opened))
        found = read_object(answer) if isinstance(answer, WebAnswer) else None
        if isinstance(answer, WebFailure) and answer.problem is WebProblem.REFUSED_HOST:
            raise InputError(f"device_url: {HOST_RULES}")
        if not isinstance(answer, WebAnswer) or found is None or read_error(answer, connection.settings) is not None:
            raise UnavailableError("The vendor gives no device code now. Look at device_url, client_id and its scopes.")
        texts = [str(found.get(each) or "") for each in ("device_code", "user_code", "verification_uri")]
        code, user_code, url = texts[0], texts[1], texts[2] or str(found.get("verification_url") or "")  # Google's name of it
        if not (code and user_code.isprintable() and user_code and _is_web_address(url)) or len(code) > CODE_MAX_CHARACTERS:
            raise UnavailableError("The vendor's answer at device_url has no code, or no address to type it at.")
        life = min(_read_seconds(found.get("expires_in"), DEVICE_LIFE_MAX_SECONDS), DEVICE_LIFE_MAX_SECONDS)
        mark = _hash(code)
        consent = await self._add(connection, mark, code, scopes, by, int(life * 1_000))
        task = asyncio.create_task(self._poll(consent, _read_seconds(found.get("interval"), INTERVAL_SECONDS)))
        self._polling.add(task)
        task.add_done_callback(self._polling.discard)
        whole = str(found.get("verification_uri_complete") or "")
        return Begun(
            consent=mark,
            url=url,
            expires_at_milliseconds=consent.expires_at_milliseconds,
            scopes=scopes,
            user_code=user_code[:40],
            url_with_code=whole if _is_web_address(whole) else "",
        )

    async def _poll(self, consent: Consent, interval: float) -> None:
        """Ask the vendor until the person has said something, or the code's time is over."""
        while self._clock.now_milliseconds() < consent.expires_at_milliseconds:
            await asyncio.sleep(interval)
            outcome = await self._redeem(consent, {})
            if outcome == TokenProblem.SLOW_DOWN.value:
                interval += INTERVAL_SECONDS
            elif outcome not in {TokenProblem.PENDING.value, TokenProblem.LATER.value}:
                await self._end(consent, outcome)
                return
        await self._end(consent, TokenProblem.EXPIRED.value)

    async def _redeem(self, consent: Consent, query: Mapping[str, str]) -> str:
        """Fetch the tokens; empty: they are kept. Else why not: a word of TokenProblem, or `changed`, `issuer` or `gone`."""
        opened = await self._vault.open(consent.tenant, consent.connection)
        if opened is None:
            return "gone"
        if _digest(opened.connection) != consent.digest:
            return "changed"
        kind, settings = opened.connection.kind, opened.connection.settings
        secret = await self._unseal(consent)
        if kind is ConnectionKind.OAUTH2_DEVICE:
            request = self._make_asker(opened).redeem_device(secret)
        else:
            refused = _check_answer(query, settings)
            if refused:
                return refused
            request = self._make_asker(opened).redeem_code(query["code"], redirect_uri=self.callback, verifier=secret)
        answer = await self._web.call(add_owner(request, opened))
        tokens = read_tokens(answer, kind, settings, self._clock.now_milliseconds())
        if isinstance(tokens, Refused):
            return tokens.problem.value
        return "" if await self._keeper.put(opened, tokens, consent.scopes) is not None else "gone"

    async def _end(self, consent: Consent, outcome: str) -> Consent:
        state = ConsentState.FAILED if outcome else ConsentState.DONE
        await self._store.end_consent(consent.tenant, consent.mark, state, outcome)
        self._events("consent_ended", tenant=consent.tenant, connection=consent.connection, outcome=outcome or "done")
        return msgspec.structs.replace(consent, state=state, outcome=outcome, sealed=b"")

    async def _find_open(self, state: str) -> Consent | None:
        """Find the question that a state names, while it is open."""
        named = _STATE.fullmatch(state)
        consent = await self._store.load_consent(TenantId(named[1]), _hash(state)) if named is not None else None
        is_open = consent is not None and consent.state is ConsentState.OPEN
        return consent if is_open and consent is not None and self._is_in_time(consent) else None

    def _is_in_time(self, consent: Consent) -> bool:
        return self._clock.now_milliseconds() < consent.expires_at_milliseconds

    @property
    def _is_secure(self) -> bool:
        return self.callback.startswith("https:")

    def _name_cookie(self, consent: Consent) -> str:
        """One for each question: somebody may answer several at a time."""
        return f"{'__Host-' if self._is_secure else ''}blubees-consent-{consent.mark[:16]}"

    async def _prove(self, consent: Consent) -> str:
        """What the browser shows that was sent to the vendor from our own page."""
        return mark_by(await self._keyring.derive(consent.tenant, PURPOSE), b"browser", consent.mark.encode())

    async def _add(
        self, connection: Connection, mark: str, secret: str, scopes: tuple[str, ...], by: str, life_milliseconds: int
    ) -> Consent:
        key = await self._keyring.derive(connection.tenant, PURPOSE)
        consent = Consent(
            tenant=connection.tenant,
            mark=mark,
            connection=connection.name,
            kind=connection.kind,
            by=by[:128],
            digest=_digest(connection),
            scopes=scopes,
            sealed=seal_committed(key, secret.encode(), _bound(connection.tenant, mark), self._chance),
            expires_at_milliseconds=self._clock.now_milliseconds() + life_milliseconds,
        )
        await self._store.add_consent(consent)
        return consent

    async def _unseal(self, consent: Consent) -> str:
        key = await self._keyring.derive(consent.tenant, PURPOSE)
        return unseal_committed(key, consent.sealed, _bound(consent.tenant, consent.mark), self._chance).decode()

    def _make_asker(self, opened: OpenConnection) -> Asker:
        name, now = self._chance.bytes(16).hex(), self._clock.now_milliseconds()
        connection = opened.connection
        return Asker(connection.kind, connection.settings, opened.secrets, name=name, now_milliseconds=now)

    def _draw(self) -> str:
        return base64.urlsafe_b64encode(self._chance.bytes(CHANCE_BYTES)).decode().rstrip("=")


def _check_answer(query: Mapping[str, str], settings: Mapping[str, str]) -> str:
    """Say what is wrong with what the browser brought; empty: nothing."""
    if not _is_issuer(query.get("iss", ""), settings):
        return "issuer"
    if "error" in query:
        return (TokenProblem.DENIED if query["error"] in _FROM_PEOPLE else TokenProblem.REFUSED).value
    code = query.get("code", "")
    return "" if 0 < len(code) <= CODE_MAX_CHARACTERS and code.isprintable() else TokenProblem.REFUSED.value


def _is_issuer(given: str, settings: Mapping[str, str]) -> bool:
    """Whether the answer comes from whom we asked (RFC 9207): as the connection says, else from the authorize URL's host."""
    wanted = settings.get("issuer", "")
    if wanted or not given:
        return given == wanted
    hosts = []
    for text in (given, settings.get("authorize_url", "")):
        try:
            hosts.append(urlsplit(text).hostname)
        except ValueError:
            return False
    return hosts[0] is not None and hosts[0] == hosts[1]


def _digest(connection: Connection) -> str:
    """Name what a connection is: where its tokens come from, and where they may go."""
    settings = "\n".join(f"{name}={text}" for name, text in sorted(connection.settings.items()))
    text = f"{connection.kind}|{connection.created_at_milliseconds}|{' '.join(connection.hosts)}|{settings}"
    return _hash(text)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _bound(tenant: TenantId, mark: str) -> tuple[str, ...]:
    return (PURPOSE, tenant, mark)


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    is_short = len(text) <= CODE_MAX_CHARACTERS and text.isprintable()
    return parts.scheme in {"https", "http"} and bool(parts.hostname) and is_short


def _read_seconds(value: Any, default: float) -> float:  # noqa: ANN401 - JSON
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value <= 86_400 else default  # noqa: PLR2004 - a day
