"""Whether keys, certificates and rules are what they should be, before they are kept. Called by vault/connection_rules.py.

A key that is none would else be found out by the first run at night.
"""

from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from blubees.model.authorisation import KINDS
from blubees.model.connection import ConnectionKind
from blubees.model.web import WebRequest
from blubees.vault.signing.headers import read_signing_rule
from blubees.vault.signing.jwt import JwtRule, make_jwt
from blubees.vault.signing.oauth1 import OAuth1Keys, SignatureMethod, sign_oauth1

_TRIED = WebRequest(method="GET", url="https://example.com/")


def check_keys(kind: ConnectionKind, settings: Mapping[str, str], secrets: Mapping[str, str]) -> list[str]:
    """List what does not fit; never repeats a secret."""
    problems = _check_rule(kind, settings) + _check_certificate(secrets)
    if kind is ConnectionKind.OAUTH1 and "private_key" in secrets:
        method = SignatureMethod(KINDS[kind].read(settings, "signature_method"))
        keys = OAuth1Keys(consumer_key="k", method=method, private_key=secrets["private_key"])
        try:
            sign_oauth1(_TRIED, keys, nonce="n", now_milliseconds=0)
        except (ValueError, TypeError):
            problems.append("private_key: is no RSA key in PEM, or it is encrypted.")
    elif "private_key" in secrets or "shared_key" in secrets:
        algorithm = KINDS[kind].read(settings, "algorithm")
        name = "shared_key" if algorithm.startswith("HS") and "shared_key" in secrets else "private_key"
        if name in secrets and (name == "shared_key" or not algorithm.startswith("HS")):
            try:
                make_jwt(JwtRule(algorithm=algorithm), secrets[name], name="n", now_milliseconds=0)
            except ValueError:
                problems.append(f"{name}: is no key for {algorithm}: PEM without a password, of the algorithm's own sort.")
    return problems


def _check_rule(kind: ConnectionKind, settings: Mapping[str, str]) -> list[str]:
    if kind is not ConnectionKind.SIGNED_HEADERS or not settings.get("rule"):
        return []
    try:
        read_signing_rule(settings["rule"])
    except ValueError as error:
        return [str(error)]
    return []


def _check_certificate(secrets: Mapping[str, str]) -> list[str]:
    if "client_certificate" not in secrets or "client_key" not in secrets:
        return []
    try:
        chain = x509.load_pem_x509_certificates(secrets["client_certificate"].encode())
    except ValueError:
        return ["client_certificate: is no certificate in PEM."]
    try:
        key = load_pem_private_key(secrets["client_key"].encode(), None)
    except (ValueError, TypeError):
        return ["client_key: is no private key in PEM, or it is encrypted."]
    forms = [
        each.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for each in (chain[0].public_key(), key.public_key())
    ]
    return [] if forms[0] == forms[1] else ["client_key: does not belong to the first certificate of client_certificate."]
