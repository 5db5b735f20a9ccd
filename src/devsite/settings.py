"""What the development Jira site can be told at its start. Used by every file here."""

from dataclasses import dataclass
from pathlib import Path

APP_ID = "ari:cloud:ecosystem::app/5a3b7a52-2d6c-4f0e-9f57-8c1d6b0e4a11"
ENVIRONMENT_ID = "ari:cloud:ecosystem::environment/5a3b7a52-2d6c-4f0e-9f57-8c1d6b0e4a11/6d1f6f0e-9a55-4f0f-8a8b-3a0d9c0d1e22"


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """Settings.

    Attributes:
        app_url: where the app's remote is: endpoints' paths are appended.
        manifest: the app's manifest.yml, which names events and endpoints.
        sites: how many Jira sites (cloudIds) there are.
        retry_gap_seconds: between Forge's tries of a delivery; Forge's own is 60.
        wrap_first: whether a first try's body is wrapped in `payload` too.
        licence: active, trial, inactive or absent.
        environment_type: a licence stands in tokens only when this is PRODUCTION.
        thirdparty_token: what the demo third party asks for.
        points_per_hour: the global rate limit.
    """

    app_url: str
    manifest: Path
    port: int = 8790
    sites: int = 1
    retry_gap_seconds: float = 60.0
    wrap_first: bool = False
    licence: str = "active"
    environment_type: str = "DEVELOPMENT"
    thirdparty_token: str = "demo-third-party-token"  # noqa: S105 - no secret: a stand-in's
    points_per_hour: int = 65_000
    announce: bool = True
