"""What a language and country change in dates: names, named formats, how weeks are counted. Data: Unicode CLDR, by Babel.

Called by date_patterns.py and functions_dates.py; main/conduit.py loads the common ones before it locks itself.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal

from babel import Locale, UnknownLocaleError
from babel.dates import get_timezone_name

DEFAULT_LOCALE: Final = "en_US"
COMMON_LOCALES: Final = ("en_US", "en_GB", "de", "fr", "es", "pt_BR", "it", "nl", "ja", "pl", "sv")
_NAME: Final = re.compile(r"([A-Za-z]{2,3})(?:[_-]([A-Za-z]{4}))?(?:[_-]([A-Za-z]{2}|\d{3}))?(?:[_-]\w{1,20})?", re.ASCII)
_KEPT: Final = 64
_AS_JIRA_WRITES: Final = {
    "shortDate": "M/d/yy",
    "shortTime": "h:mm a",
    "shortDateTime": "M/d/yy h:mm a",
    "mediumDate": "MMM d, yyyy",
    "mediumTime": "h:mm:ss a",
    "mediumDateTime": "MMM d, yyyy h:mm:ss a",
    "longDate": "MMMM d, yyyy",
    "longTime": "h:mm:ss a z",
    "longDateTime": "MMMM d, yyyy, h:mm:ss a z",
    "fullDate": "EEEE, MMMM d, yyyy",
    "fullTime": "h:mm:ss a zzzz",
    "fullDateTime": "EEEE, MMMM d, yyyy, h:mm:ss a zzzz",
}
"""The American forms, which Atlassian's pages print: ruling A5 in docs/smart-values.md."""
NAMED_FORMATS: Final = tuple(_AS_JIRA_WRITES)


@dataclass(frozen=True, slots=True)
class Words:
    """What one locale says: names by width (`wide`, `abbreviated`, `narrow`), months from 1, weekdays from 0 for Monday."""

    name: str
    months: dict[str, dict[int, str]]
    standing_months: dict[str, dict[int, str]]
    days: dict[str, dict[int, str]]
    half_days: tuple[str, str]
    eras: dict[str, tuple[str, str]]
    formats: dict[str, str]
    first_week_day: int
    min_week_days: int


def find_words(name: object) -> Words:
    """Give a locale's words; of one that nobody knows, those of its language, else the American ones."""
    found = _NAME.fullmatch(name.strip()) if type(name) is str and len(name) < 32 else None  # noqa: PLR2004 - longer is no name
    if found is None:
        return _load(DEFAULT_LOCALE)
    language, script, country = found.groups()
    parts = [language.lower(), *([script.title()] if script else []), *([country.upper()] if country else [])]
    return _load("_".join(parts))


def load_common() -> None:
    """Read the common locales now; others are read from Babel's files when first asked for."""
    for name in COMMON_LOCALES:
        _load(name)


def name_zone(value: datetime, locale: str, *, is_long: bool) -> str:
    """Name a date's zone: `CET`, or `Central European Standard Time`; an offset where it has no name."""
    short = value.tzname() or ""
    if not is_long and short.isalpha():
        return short
    key = getattr(value.tzinfo, "key", "UTC" if short == "UTC" else "")
    if not key:
        return short if short.startswith("UTC") else value.strftime("%z")
    return _name_zone(key, locale, is_long=is_long, is_summer=bool(value.dst()))


@lru_cache(maxsize=256)
def _name_zone(key: str, locale: str, *, is_long: bool, is_summer: bool) -> str:
    width: Literal["long", "short"] = "long" if is_long else "short"
    return get_timezone_name(key, width, locale=locale, zone_variant="daylight" if is_summer else "standard")


@lru_cache(maxsize=_KEPT)
def _load(name: str) -> Words:
    try:
        locale = Locale.parse(name)
    except (UnknownLocaleError, ValueError):
        language = name.partition("_")[0]
        return _load(language) if language != name else _load(DEFAULT_LOCALE)
    widths = ("wide", "abbreviated", "narrow")
    eras = {width: (locale.eras[width][0], locale.eras[width][1]) for width in widths}
    periods = locale.day_periods["format"]["abbreviated"]
    return Words(
        name=str(locale),
        months={width: dict(locale.months["format"][width]) for width in widths},
        standing_months={width: dict(locale.months["stand-alone"][width]) for width in widths},
        days={width: dict(locale.days["format"][width]) for width in widths},
        half_days=(str(periods["am"]), str(periods["pm"])),
        eras=eras,
        formats=_AS_JIRA_WRITES if name == DEFAULT_LOCALE else _list_formats(locale),
        first_week_day=locale.first_week_day,
        min_week_days=locale.min_week_days,
    )


def _list_formats(locale: Locale) -> dict[str, str]:
    formats: dict[str, str] = {}
    for width in ("short", "medium", "long", "full"):
        date = _tidy(str(locale.date_formats[width].pattern))
        time = _tidy(str(locale.time_formats[width].pattern))
        joined = str(locale.datetime_formats[width])
        formats |= {f"{width}Date": date, f"{width}Time": time}
        formats[f"{width}DateTime"] = joined.replace("{1}", date).replace("{0}", time)
    return formats


def _tidy(pattern: str) -> str:
    """Plain spaces for the narrow ones, which systems that read dates don't know."""
    return pattern.replace("\u202f", " ").replace("\u00a0", " ")
