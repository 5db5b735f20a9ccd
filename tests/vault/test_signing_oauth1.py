"""OAuth 1.0a beside the examples of RFC 5849 and of X's manual."""

import base64
from urllib.parse import unquote

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from blubees.model.web import WebRequest
from blubees.vault.signing.oauth1 import OAuth1Keys, SignatureMethod, sign_oauth1, write_base_string
from blubees.vault.signing.wire import read_wire
from fakes.keys import EC_PEM, RSA_KEY, RSA_PEM

FORM = ("Content-Type", "application/x-www-form-urlencoded")


def read_header(request: WebRequest) -> dict[str, str]:
    text = dict(request.headers)["Authorization"]
    assert text.startswith("OAuth ")
    pairs = [part.strip().partition("=") for part in text.removeprefix("OAuth ").split(",")]
    return {unquote(name): unquote(value.strip('"')) for name, _, value in pairs}


def test_the_example_of_section_1_2() -> None:
    keys = OAuth1Keys(
        consumer_key="dpf43f3p2l4k3l03",
        consumer_secret="kd94hf93k423kf44",
        token="nnch734d00sl2jdk",
        token_secret="pfkkdhi9sl3r4s00",
        realm="Photos",
    )
    request = WebRequest(method="GET", url="http://photos.example.net/photos?file=vacation.jpg&size=original")
    # the RFC's example has no oauth_version, which "MAY be omitted": its base string, with and without
    own = {
        "oauth_consumer_key": keys.consumer_key,
        "oauth_token": keys.token,
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": "137131202",
        "oauth_nonce": "chapoH",
    }
    base = write_base_string(request, read_wire(request.url), own)
    assert base == (
        "GET&http%3A%2F%2Fphotos.example.net%2Fphotos&file%3Dvacation.jpg%26oauth_consumer_key%3Ddpf43f3p2l4k3l03"
        "%26oauth_nonce%3DchapoH%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131202"
        "%26oauth_token%3Dnnch734d00sl2jdk%26size%3Doriginal"
    )
    from blubees.vault.signing.oauth1 import _sign  # noqa: PLC0415 - the RFC's own signature, without oauth_version

    assert _sign(base, keys) == "MdpQcU8iPSUjWoN/UDMsK2sui9I="
    header = read_header(sign_oauth1(request, keys, nonce="chapoH", now_milliseconds=137_131_202_999))
    assert header["realm"] == "Photos"
    assert header["oauth_timestamp"] == "137131202"
    assert header["oauth_version"] == "1.0"


def test_the_base_string_of_section_3_4_1_1() -> None:
    request = WebRequest(
        method="POST",
        url="http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b",
        headers=(FORM,),
        body=b"c2&a3=2+q",
    )
    own = {
        "oauth_consumer_key": "9djdj82h48djs9d2",
        "oauth_token": "kkk9d7dh3k39sjv7",
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": "137131201",
        "oauth_nonce": "7d8f3e4a",
    }
    assert write_base_string(request, read_wire(request.url), own) == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D"
        "%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1"
        "%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
    )


def test_the_example_of_x() -> None:
    """docs.x.com, "Creating a signature"."""
    request = WebRequest(
        method="POST",
        url="https://api.twitter.com/1.1/statuses/update.json?include_entities=true",
        headers=(FORM,),
        body=b"status=Hello%20Ladies%20%2b%20Gentlemen%2c%20a%20signed%20OAuth%20request%21",
    )
    keys = OAuth1Keys(
        consumer_key="xvz1evFS4wEEPTGEFPHBog",
        consumer_secret="kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",
        token="370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
        token_secret="LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
    )
    signed = sign_oauth1(request, keys, nonce="kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg", now_milliseconds=1_318_622_958_000)
    assert read_header(signed)["oauth_signature"] == "hCtSmYh+iHYCEqBWrE7C7hYmtUk="
    assert keys.token_secret not in repr(keys)


@pytest.mark.parametrize(("method", "digest"), [("RSA-SHA1", hashes.SHA1()), ("RSA-SHA256", hashes.SHA256())])  # noqa: S303 - RFC 5849
def test_a_private_key_signs_what_its_public_one_verifies(method: str, digest: hashes.HashAlgorithm) -> None:
    keys = OAuth1Keys(consumer_key="c", token="t", method=SignatureMethod(method), private_key=RSA_PEM)
    request = WebRequest(method="GET", url="https://jira.example.com/rest/api/2/issue/A-1?fields=summary")
    header = read_header(sign_oauth1(request, keys, nonce="n", now_milliseconds=1_000))
    signature = base64.b64decode(header.pop("oauth_signature"))
    base = write_base_string(request, read_wire(request.url), header)
    RSA_KEY.public_key().verify(signature, base.encode(), padding.PKCS1v15(), digest)


def test_another_method_another_signature_and_a_wrong_key_is_refused() -> None:
    request = WebRequest(method="GET", url="https://a.example.com/x")
    keys = OAuth1Keys(consumer_key="c", consumer_secret="a&b", token_secret="ü")
    plain = msgspec.structs.replace(keys, method=SignatureMethod.PLAINTEXT)
    assert read_header(sign_oauth1(request, plain, nonce="n", now_milliseconds=0))["oauth_signature"] == "a%26b&%C3%BC"
    sha256 = msgspec.structs.replace(keys, method=SignatureMethod.HMAC_SHA256)
    signatures = {
        read_header(sign_oauth1(request, each, nonce=nonce, now_milliseconds=0))["oauth_signature"]
        for each in (keys, sha256)
        for nonce in ("n", "m")
    }
    assert len(signatures) == 4
    wrong = msgspec.structs.replace(keys, method=SignatureMethod.RSA_SHA256, private_key=EC_PEM)
    with pytest.raises(ValueError, match="not an RSA key"):
        sign_oauth1(request, wrong, nonce="n", now_milliseconds=0)
