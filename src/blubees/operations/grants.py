"""Grants as operators handle them: asking people, renewing, and what is known. A hall between the doors and vault/oauth.

Used by doors/operator_grants.py, and doors/operator_api.py through operations/connections.py.
"""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

import msgspec

from blubees.model.authorisation import CONSENTED, KINDS, Sort
from blubees.model.connection import Connection, LeaseRefusal
from blubees.model.errors import ConflictError, InputError, MissingError, UnavailableError
from blubees.model.grant import Consent, ConsentState, Going, GrantState, Start
from blubees.model.ids import ConnectionName, TenantId
from blubees.vault.connection_rules import check_connection
from blubees.vault.oauth.consents import HOST_RULES, Begun, ConsentService
from blubees.vault.oauth.grants import GrantService
from blubees.vault.oauth.tokens import TokenProblem
from blubees.vault.secrets import VaultService

TRIES = 5


class GrantView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What may be told of a connection and its grant.

    Attributes:
        needs_person: nothing goes on until a person says yes (`connection authorize`).
        missing_scopes: what live flows need and was not granted: ask once more.
    """

    connection: Connection
    state: GrantState = GrantState.NONE
    scopes: tuple[str, ...] = ()
    wanted_scopes: tuple[str, ...] = ()
    missing_scopes: tuple[str, ...] = ()
    problem: str = ""
    needs_person: bool = False
    expires_at_milliseconds: int = 0
    granted_at_milliseconds: int = 0
    renewed_at_milliseconds: int = 0
    dead_at_milliseconds: int = 0
    kept: dict[str, str] = {}


class ConsentView(msgspec.Struct, frozen=True, kw_only=True):
    """How far a question to a person is."""

    connection: str
    state: ConsentState
    outcome: str = ""
    scopes: tuple[str, ...] = ()


class ScopeChooser:
    """Chooses which scopes are asked for: those that the connection names, and the least that live flows need.

    Args:
        list_needed: the scopes of the actions and triggers that a tenant's live flows use with a connection.
    """

    def __init__(self, list_needed: Callable[[Connection], Awaitable[tuple[str, ...]]]) -> None:
        self._list_needed = list_needed

    async def choose(self, connection: Connection) -> tuple[str, ...]:
        """Give them, those that the connection names first."""
        needed = await self._list_needed(connection)
        return tuple(dict.fromkeys((*connection.settings.get("scopes", "").split(), *needed)))


class GrantDesk:
    """Asks people, renews, and tells."""

    def __init__(self, vault: VaultService, grants: GrantService, consents: ConsentService, scopes: ScopeChooser) -> None:
        self._vault, self._grants, self._consents, self._scopes = vault, grants, consents, scopes

    async def show(self, tenant: TenantId, name: ConnectionName) -> GrantView:
        """Tell what is known of one. Raises MissingError."""
        connection = await self._find(tenant, name)
        if not KINDS[connection.kind].has_grant:
            return GrantView(connection=connection)
        grant = await self._grants.find(tenant, name)
        wanted = await self._scopes.choose(connection)
        if grant is None:
            return GrantView(connection=connection, wanted_scopes=wanted, needs_person=connection.kind in CONSENTED)
        missing = tuple(each for each in wanted if each not in grant.scopes) if grant.scopes else ()
        is_open = grant.state is not GrantState.LIVE
        return GrantView(
            connection=connection,
            state=grant.state,
            scopes=grant.scopes,
            wanted_scopes=wanted,
            missing_scopes=missing if grant.state is GrantState.LIVE else (),
            problem=grant.problem,
            needs_person=connection.kind in CONSENTED and is_open,
            expires_at_milliseconds=grant.expires_at_milliseconds,
            granted_at_milliseconds=grant.granted_at_milliseconds,
            renewed_at_milliseconds=grant.renewed_at_milliseconds,
            dead_at_milliseconds=grant.dead_at_milliseconds,
            kept=grant.kept,
        )

    async def authorize(self, tenant: TenantId, name: ConnectionName, by: str) -> Begun:
        """Open a question to a person. Raises MissingError, InputError, UnavailableError."""
        return await self._consents.begin(tenant, name, by)

    async def find_consent(self, tenant: TenantId, mark: str) -> ConsentView:
        """Tell how far it is. Raises MissingError."""
        return _describe(await self._consents.find(tenant, mark))

    async def find_start(self, state: str) -> Start | None:
        """Tell what a person must read before they go to the vendor; None: no such question is open."""
        return await self._consents.find_start(state)

    async def go_on(self, state: str) -> Going | None:
        """Tell where they go on to, and the cookie that their browser takes along; None: no such question is open."""
        return await self._consents.go_on(state)

    async def take_answer(self, query: Mapping[str, str], cookies: Mapping[str, str]) -> ConsentView | None:
        """A vendor has sent a browser back; None: it answers no question that is open, or another browser was asked."""
        consent = await self._consents.take_answer(query, cookies)
        return _describe(consent) if consent is not None else None

    async def renew(self, tenant: TenantId, name: ConnectionName) -> GrantView:
        """Renew a token now, dead or not. Raises MissingError, ConflictError: the vendor says no; UnavailableError."""
        connection = await self._find(tenant, name)
        if not KINDS[connection.kind].has_grant:
            raise InputError(f"A connection of kind {connection.kind.value} has no token to renew.")
        refusal = await self._grants.renew(tenant, name)
        if refusal in {LeaseRefusal.GRANT_DEAD, LeaseRefusal.NO_GRANT}:
            raise ConflictError(
                "The vendor does not renew it: a person must say yes again (`connection authorize NAME`), or the client's "
                "id or secret is not right (`connection show NAME` tells which)."
            )
        view = await self.show(tenant, name)
        if view.problem == TokenProblem.HOST_RULES.value:  # also where the token that there is goes on
            raise ConflictError(f"token_url: {HOST_RULES}")
        if refusal is not None:
            raise UnavailableError("The vendor did not answer as it should. Try again later.")
        return view

    async def change(
        self, tenant: TenantId, name: ConnectionName, secrets: Mapping[str, str], settings: Mapping[str, str]
    ) -> Connection:
        """Change some secrets and settings; what is granted stays. An empty text takes one away.

        Raises:
            MissingError: no such connection. InputError: with all problems. ConflictError: others change it all the time.
        """
        for _ in range(TRIES):
            opened = await self._vault.open(tenant, name)
            if opened is None:
                raise MissingError("There is no such connection. `connection list` shows the names.")
            _check(opened.connection, opened.secrets, secrets, settings)
            changed = await self._vault.replace_fields(tenant, name, opened.connection.version, secrets, settings)
            if changed is not None:
                grant = await self._grants.find(tenant, name)
                if grant is not None and grant.state is GrantState.DEAD:
                    await self._grants.renew(tenant, name)  # what was wrong may be right now
                return changed
        raise ConflictError("The connection is being changed by others. Try again.")

    async def _find(self, tenant: TenantId, name: ConnectionName) -> Connection:
        found = next((each for each in await self._vault.list(tenant) if each.name == name), None)
        if found is None:
            raise MissingError("There is no such connection. `connection list` shows the names.")
        return found


def _check(connection: Connection, before: Mapping[str, str], secrets: Mapping[str, str], settings: Mapping[str, str]) -> None:
    granted = {each.name for each in KINDS[connection.kind].secrets if each.is_granted}
    typed = {each: text for each, text in before.items() if each not in granted}
    named = {"user_name": connection.user_name, "parameter": connection.parameter}
    known = {each: text for each, text in {**connection.settings, **named, **settings}.items() if text}
    given = {each: text for each, text in {**typed, **secrets}.items() if text}
    problems = check_connection(
        name=connection.name, kind=connection.kind, hosts=connection.hosts, secrets=given, settings=known
    )
    problems += _check_addresses(connection, settings)
    if problems:
        raise InputError("The change can't be taken: " + " ".join(problems), tuple(problems))


def _check_addresses(connection: Connection, settings: Mapping[str, str]) -> list[str]:
    """Secrets were given for the hosts that were named then: a change leads none of them to another one."""
    urls = [each.name for each in KINDS[connection.kind].settings if each.sort is Sort.URL and each.name in settings]
    before = {urlsplit(text).netloc for text in connection.settings.values() if text.startswith(("https://", "http://"))}
    return [
        f"{name}: leads to another host than the connection's addresses do, and its secrets were not given for that one. "
        "Add the connection anew, with its secrets."
        for name in urls
        if settings[name] and urlsplit(settings[name]).netloc not in before
    ]


def _describe(consent: Consent) -> ConsentView:
    return ConsentView(connection=consent.connection, state=consent.state, outcome=consent.outcome, scopes=consent.scopes)
