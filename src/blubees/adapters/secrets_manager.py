"""Reads a secret from AWS Secrets Manager, once, for an operator who takes it over. Called by main/connection_import.py."""

from typing import Final

from blubees.model.errors import BluBeesError, InputError, MissingError, UnavailableError

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 10.0
_GONE: Final = frozenset({"ResourceNotFoundException", "InvalidRequestException"})


def read_aws_secret(name: str, *, region: str = "", endpoint: str = "") -> str:
    """Give the newest version of a secret, as text.

    Args:
        name: its name or ARN.
        region, endpoint: empty: as AWS's own settings say.

    Raises:
        MissingError, InputError, UnavailableError: why not; never what was read.
    """
    import botocore.session  # noqa: PLC0415 - slow (0.6 s, 36 MB), and only here
    from botocore.config import Config  # noqa: PLC0415 - see above
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see above

    config = Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"mode": "standard"})
    try:
        client = botocore.session.get_session().create_client(
            "secretsmanager", region_name=region or None, endpoint_url=endpoint or None, config=config
        )
        try:
            answer = client.get_secret_value(SecretId=name)
        finally:
            client.close()
    except ClientError as error:
        raise _translate(name, str(error.response.get("Error", {}).get("Code", ""))) from None
    except BotoCoreError as error:
        raise UnavailableError(f"AWS Secrets Manager can't be asked ({type(error).__name__}).") from None
    if "SecretString" in answer:
        return str(answer["SecretString"])
    try:
        return bytes(answer["SecretBinary"]).decode()
    except UnicodeDecodeError:
        raise InputError(f"{name}: the secret is binary and no text.") from None


def _translate(name: str, code: str) -> BluBeesError:
    if code in _GONE:
        return MissingError(f"{name}: AWS Secrets Manager has no such secret, or it is about to be deleted ({code}).")
    if code in {"AccessDeniedException", "DecryptionFailure"}:
        return InputError(f"{name}: it may not be read with these AWS credentials ({code}).")
    return UnavailableError(f"AWS Secrets Manager does not answer now ({code or 'no reason given'}).")
