"""Dates and times of day as answers."""

from __future__ import annotations

import re
from datetime import date

from a2r.answers.parsing.expression import Term

MONTH_NAMES = (
    "january february march april may june july august september october november december"
)
MONTHS = tuple(MONTH_NAMES.split())
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTH = r"(?P<month>[A-Za-z]{3,9})\.?"
DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
YEAR = r"(?P<year>\d{4})"
WEEKDAY = r"(?:(?P<weekday>(?:mon|tues|wednes|thurs|fri|satur|sun)day),?\s+)?"
DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{WEEKDAY}(?:the\s+)?{DAY}\.?\s+(?:of\s+)?{MONTH},?(?:\s+{YEAR})?",
        rf"{WEEKDAY}{MONTH}\s+(?:the\s+)?{DAY}(?:,?\s+{YEAR})?",
        rf"{WEEKDAY}{DAY}-{MONTH}(?:-{YEAR})?",
        r"(?P<year>\d{4})[-/.](?P<number>\d{1,2})[-/.](?P<day>\d{1,2})",
    )
)
TIME = re.compile(
    r"(?:at\s+)?(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2})(?::(?P<second>\d{2}))?)?\s*+"
    r"(?P<clock>o'?\s?clock)?\s*+"
    r"(?P<half>[ap]\.?\s?m\b\.?|in the (?:morning|afternoon|evening))?",
    re.IGNORECASE,
)
NAMED_TIMES = {"noon": "12:00", "midday": "12:00", "midnight": "00:00"}
HALVES = {"in the morning": "a", "in the afternoon": "p", "in the evening": "p"}


def parse_date_or_time(text: str) -> Term | None:
    """A date as `date` of year-month-day, a time as `time` of hour:minute; otherwise `None`.

    A date needs its month in words or the ISO format; a time needs `am`/`pm` or minutes (12:05).
    """
    if len(text) > 60:
        return None
    plain = " ".join(text.replace(r"\text", "").translate(BRACES).split())
    return _date(plain) or _time(plain)


BRACES = str.maketrans("{}", "  ")


def _date(text: str) -> Term | None:
    for pattern in DATES:
        match = pattern.fullmatch(text)
        if match is None:
            continue
        parts = match.groupdict()
        month = int(parts.get("number") or _month(parts.get("month") or "") or 0)
        day, year = int(parts["day"]), parts["year"]
        if 1 <= month <= 12 and 1 <= day <= 31:
            weekday = _needed_weekday(parts.get("weekday"), year, month, day)
            return Term("date", value=f"{year or ''}-{month:02}-{day:02}{weekday}")
    return None


def _needed_weekday(weekday: str | None, year: str | None, month: int, day: int) -> str:
    """The weekday of a date, unless it follows from the year."""
    if weekday is None:
        return ""
    try:
        implied = None if year is None else date(int(year), month, day).weekday()
    except ValueError:
        implied = None
    lower = weekday.lower()
    return "" if implied is not None and WEEKDAYS[implied] == lower else f" {lower}"


def _month(word: str) -> int | None:
    lower = word.lower()
    if lower == "sept":
        return 9
    matching = [n for n, name in enumerate(MONTHS, 1) if lower in (name, name[:3])]
    return matching[0] if matching else None


def _time(text: str) -> Term | None:
    if text.lower() in NAMED_TIMES:
        return Term("time", value=NAMED_TIMES[text.lower()])
    match = TIME.fullmatch(text)
    if match is None or not (match["minute"] or match["half"] or match["clock"]):
        return None
    if "." in text.partition(" ")[0] and not match["half"]:
        # 9.30 is a number.
        return None
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    if hour > 24 or minute > 59 or int(match["second"] or 0) > 59:
        return None
    half = (match["half"] or "").lower()
    half = HALVES.get(half, half)[:1]
    if half and not 1 <= hour <= 12:
        return None
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    # Without am or pm, 1:00 to 12:59 may be in either half of the day; 09:45 is in the first.
    is_certain = bool(half) or hour > 12 or match["hour"].startswith("0")
    seconds = f":{match['second']}" if match["second"] else ""
    return Term("time", value=f"{hour:02}:{minute:02}{seconds}{'' if is_certain else '?'}")
