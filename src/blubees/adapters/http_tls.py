"""TLS of outgoing calls: what is verified, and client certificates from memory. Used by http_pool.py.

There is no switch that turns verification off.
"""

import asyncio
import os
import ssl
from typing import Final, Self

from blubees.adapters.http_connection import CallFailedError
from blubees.model.web import ClientCertificate, WebProblem

CERTIFICATE_MAX_BYTES: Final = 32_768  # each of chain and key: half of what a pipe takes
CERTIFICATES_KEPT: Final = 256
CERTIFICATE_SECONDS: Final = 60.0  # as long as the lease that it came by


class TlsContexts:
    """Contexts of one conduit: one for calls without a client certificate, and one for each certificate in use.

    Args:
        extra_ca_file: certificates trusted besides the system's, for private authorities.
    """

    def __init__(self, extra_ca_file: str | None) -> None:
        self._extra_ca_file = extra_ca_file
        self.plain = self._make()
        self._kept: dict[str, tuple[float, ssl.SSLContext]] = {}

    async def find(self, certificate: ClientCertificate) -> ssl.SSLContext:
        """Give the context that shows this certificate.

        Raises:
            CallFailedError: the certificate and its key can't be read, or don't belong together.
        """
        loop = asyncio.get_running_loop()
        digest = certificate.fingerprint
        known = self._kept.get(digest)
        if known is not None and known[0] > loop.time():
            return known[1]
        made = await loop.run_in_executor(None, self._make_showing, certificate)  # reading the authorities takes 30 ms
        now = loop.time()
        self._kept = {key: value for key, value in self._kept.items() if value[0] > now}
        if len(self._kept) >= CERTIFICATES_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[digest] = now + CERTIFICATE_SECONDS, made
        return made

    def _make(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # not ssl's default context: it writes keys where SSLKEYLOGFILE says
        made.load_default_certs(ssl.Purpose.SERVER_AUTH)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._extra_ca_file:
            made.load_verify_locations(self._extra_ca_file)
        return made

    def _make_showing(self, certificate: ClientCertificate) -> ssl.SSLContext:
        """Load a certificate. Python takes names of files only, and a conduit can write none: a pipe has a name, too."""
        made = self._make()
        try:
            with _Pipe(certificate.chain) as chain, _Pipe(certificate.private_key) as key:
                made.load_cert_chain(chain.name, key.name, password="")  # an encrypted key is refused, not asked about
        except (OSError, ValueError):
            raise CallFailedError(WebProblem.CLIENT_CERTIFICATE) from None
        return made


class _Pipe:
    """Some bytes under a name, for one reader. They lie in the kernel's memory, never on a disk."""

    def __init__(self, content: str) -> None:
        self._content = content.encode()
        if not 0 < len(self._content) <= CERTIFICATE_MAX_BYTES:
            raise ValueError("size")

    def __enter__(self) -> Self:
        self._read, write = os.pipe()
        try:
            os.set_blocking(write, False)  # a pipe that is smaller than usual is an error, not a wait for ever
            if os.write(write, self._content) != len(self._content):
                raise BlockingIOError
        except OSError:
            os.close(self._read)
            raise
        finally:
            os.close(write)
        self.name = f"/dev/fd/{self._read}"
        return self

    def __exit__(self, *_error: object) -> None:
        os.close(self._read)
