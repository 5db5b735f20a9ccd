"""Secrets are taken over from the environment and from AWS Secrets Manager, by field, and never told."""

import json
from pathlib import Path

import pytest
from moto import mock_aws

from blubees.main.connection_import import read_source, sort_out
from blubees.model.connection import ConnectionKind
from blubees.model.errors import InputError, MissingError

SECRET = "s3cret-0123456789-abcd"


@pytest.fixture(autouse=True)
def aws_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_a_variable_is_the_kinds_main_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_TOKEN", SECRET + "\n")
    found = read_source("env", "CRM_TOKEN", "api_key_header")
    assert found.secrets == {"key": SECRET}
    assert SECRET not in repr(found)
    with pytest.raises(InputError, match="NO_TOKEN: is not set"):
        read_source("env", "NO_TOKEN", "bearer")
    with pytest.raises(InputError, match="no such kind"):
        read_source("env", "CRM_TOKEN", "password")


def test_an_object_gives_secrets_and_settings_by_name() -> None:
    text = json.dumps({"username": "me", "password": SECRET, "engine": "postgres", "port": 5432})
    found = sort_out(text, ConnectionKind.BASIC, "db")
    assert (found.secrets, found.settings, found.left_out) == ({"password": SECRET}, {"user_name": "me"}, ("engine", "port"))
    oauth = {"client_id": "c", "client_secret": SECRET, "token_url": "https://a.example/t", "scopes": ["a", "b"]}
    found = sort_out(json.dumps(oauth), ConnectionKind.OAUTH2_CLIENT, "app")
    assert found.secrets == {"client_secret": SECRET}
    assert found.settings == {"client_id": "c", "token_url": "https://a.example/t", "scopes": "a b"}
    assert sort_out(json.dumps({"api": SECRET}), ConnectionKind.BEARER, "x", "api").secrets == {"token": SECRET}
    assert sort_out("{" + SECRET, ConnectionKind.BEARER, "x").secrets == {"token": "{" + SECRET}
    for pick in ("", "token", "number"):
        with pytest.raises(InputError) as caught:
            sort_out(json.dumps({"api": SECRET, "number": 1}), ConnectionKind.BEARER, "x", pick)
        assert SECRET not in str(caught.value)


def test_a_secret_of_aws_is_read_and_what_is_not_there_is_told() -> None:
    import boto3  # noqa: PLC0415 - slow, and only here

    with mock_aws():
        client = boto3.client("secretsmanager", region_name="us-east-1")
        client.create_secret(Name="crm", SecretString=json.dumps({"token": SECRET}))
        client.create_secret(Name="plain", SecretBinary=SECRET.encode())
        client.create_secret(Name="binary", SecretBinary=b"\xff\xfe")
        assert read_source("aws-secrets-manager", "crm", "bearer").secrets == {"token": SECRET}
        assert read_source("aws-secrets-manager", "plain", "bearer", region="us-east-1").secrets == {"token": SECRET}
        with pytest.raises(InputError, match="binary"):
            read_source("aws-secrets-manager", "binary", "bearer")
        with pytest.raises(MissingError, match="no such secret"):
            read_source("aws-secrets-manager", "none", "bearer")
        client.close()
