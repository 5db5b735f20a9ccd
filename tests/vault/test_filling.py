"""What a connector's vendor prescribes comes into a connection by the connector's name; what people must tell is asked for."""

from pathlib import Path

import pytest

from blubees.connectors.catalogue import list_catalogue, load_connector
from blubees.connectors.catalogue_shelf import CatalogueShelf
from blubees.connectors.contract.problems import ConnectorError
from blubees.model.authorisation import check_fields
from blubees.model.connection import ConnectionKind
from blubees.model.connector import AuthScheme, Connector, Parameter
from blubees.model.errors import InputError
from blubees.operations.audit import AuditLog
from blubees.operations.connection_filling import choose_scheme, fill_settings, find_hosts
from blubees.operations.connections import ConnectionService
from fakes.grants import A, World, run_world
from fakes.machine import FakeChance, FakeClock

HELP = Connector(
    name="help",
    title="Help desk",
    base_url="https://{site}.help.example.com/api",
    parameters={"site": Parameter(title="Subdomain", example="acme")},
    auth={
        "token": AuthScheme(kind="api_key_header", settings={"parameter": "X-Key"}),
        "app": AuthScheme(kind="jira_app"),
        "oauth": AuthScheme(
            kind="oauth2_code",
            settings={
                "authorize_url": "https://{site}.help.example.com/authorize",
                "token_url": "https://login.example.com/token",
                "scopes": ["a", "b"],
                "authorize_params": {"prompt": "{site}"},
            },
        ),
    },
)


def test_the_vendors_addresses_and_the_hosts_are_filled_in() -> None:
    kind, scheme = choose_scheme(HELP, ConnectionKind.OAUTH2_CODE)
    settings = fill_settings(HELP, scheme, {"connector": "help", "param_site": "acme", "client_id": "mine", "scopes": "c"})
    assert kind is ConnectionKind.OAUTH2_CODE
    assert settings == {
        "connector": "help",
        "param_site": "acme",
        "client_id": "mine",
        "scopes": "c",
        "authorize_url": "https://acme.help.example.com/authorize",
        "token_url": "https://login.example.com/token",
        "authorize_params": '{"prompt":"acme"}',
    }
    assert find_hosts(HELP, settings) == ("acme.help.example.com",)
    assert choose_scheme(HELP, None)[0] is ConnectionKind.API_KEY_HEADER


@pytest.mark.parametrize("site", ["", "evil.example.com/", "a.b", "a@b", "A", "x" * 300])
def test_a_parameter_leads_to_no_other_host(site: str) -> None:
    _, scheme = choose_scheme(HELP, ConnectionKind.OAUTH2_CODE)
    with pytest.raises(InputError, match="param_site"):
        fill_settings(HELP, scheme, {"param_site": site})


def test_a_kind_that_the_connector_has_not_is_told() -> None:
    with pytest.raises(InputError, match="help is authorised by api_key_header or oauth2_code"):
        choose_scheme(HELP, ConnectionKind.BASIC)


@pytest.mark.parametrize("name", list_catalogue())
def test_each_way_of_each_connector_of_the_catalogue_can_be_filled(name: str) -> None:
    try:
        connector = load_connector(name)
    except ConnectorError:
        pytest.skip("its file is not sound: tests/connectors tells what is wrong with it")
    assert connector is not None
    given = {
        f"param_{each}": parameter.default or parameter.example or (*parameter.choices, "acme")[0]
        for each, parameter in connector.parameters.items()
        if "{" not in parameter.default  # it is made of another one, where nothing is told
    }
    for scheme in connector.auth.values():
        if scheme.kind not in set(ConnectionKind):
            continue
        kind = ConnectionKind(scheme.kind)
        settings = fill_settings(connector, scheme, given)
        assert not any("://{" in text or "}." in text for text in settings.values()), settings
        typed = {"client_id", "issuer_of_jwt", "user_name", "access_key_id", "consumer_key", "parameter"}
        missing = [
            each
            for each in check_fields(kind, settings, set())
            if "needs this secret" not in each and each.partition(":")[0] not in typed
        ]
        assert missing == [], (name, scheme)
        assert find_hosts(connector, settings) or not connector.base_url or connector.base_url.startswith("{"), name


async def test_a_connection_names_its_connector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with run_world(tmp_path, monkeypatch) as world:
        made: World = world
        process = made.start()
        log = AuditLog(made.database.audit, FakeClock(), FakeChance())
        service = ConnectionService(process.vault, process.keeper, process.grants, CatalogueShelf(), log)
        settings = {"connector": "slack", "client_id": "1.2"}
        saved = await service.save(A, name="team", kind=None, secrets={"client_secret": "s"}, settings=settings)
        assert (saved.kind, saved.hosts) == (ConnectionKind.OAUTH2_CODE, ("slack.com",))
        assert saved.settings["token_url"] == "https://slack.com/api/oauth.v2.access"
        with pytest.raises(InputError, match="Near are: slack"):
            await service.save(A, name="team", kind=None, settings={"connector": "slak"})
        with pytest.raises(InputError, match="say one"):
            await service.save(A, name="team", kind=None)
