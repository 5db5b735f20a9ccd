"""`python -m devsite`: starts the development Jira site on loopback."""

import argparse
import socket
import sys
from pathlib import Path

import uvicorn

from devsite.app import create_app
from devsite.settings import SiteSettings


def main() -> int:
    """Start, and run until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="devsite", description="A stand-in for Jira Cloud and Forge, on loopback.")
    parser.add_argument("--port", type=int, default=8790)
    parser.add_argument("--app-url", default="http://127.0.0.1:8780", help="where the app takes Forge's calls")
    parser.add_argument("--manifest", type=Path, default=Path("forge/manifest.yml"))
    parser.add_argument("--sites", type=int, default=1)
    parser.add_argument("--retry-gap-seconds", type=float, default=60.0)
    parser.add_argument("--wrap-first", action="store_true", help="wrap a first try's body in `payload` too")
    parser.add_argument("--licence", choices=["active", "trial", "inactive", "absent"], default="active")
    parser.add_argument("--environment-type", choices=["DEVELOPMENT", "STAGING", "PRODUCTION"], default="DEVELOPMENT")
    parser.add_argument("--thirdparty-token", default="demo-third-party-token")
    given = parser.parse_args()
    if not given.manifest.is_file():
        parser.error(f"--manifest: there is no file {given.manifest}")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", given.port))
    except OSError:
        parser.error(f"--port: {given.port} is taken; choose another")
    port = listener.getsockname()[1]
    settings = SiteSettings(**{**vars(given), "app_url": given.app_url.rstrip("/"), "port": port})
    sys.stdout.write(f"devsite ready http://127.0.0.1:{port}/\n")
    sys.stdout.flush()
    config = uvicorn.Config(create_app(settings), log_config=None, access_log=False, timeout_graceful_shutdown=1, ws="none")
    uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
