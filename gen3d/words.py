"""Numbers and durations in words. Knows nothing of what they are of."""

from datetime import timedelta


def count(number: int, noun: str) -> str:
    """So many of something whose plural ends in s: `1 message`, `2 messages`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def age(passed: timedelta) -> str:
    """A duration in its two largest units: `2 d 3 h`, `5 min`, `12 s`."""
    seconds = max(0, int(passed.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    units = ((seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"))
    return " ".join([f"{number} {unit}" for number, unit in units if number][:2])
