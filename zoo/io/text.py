"""Untrusted text, made safe to print; numbers, made easy to read."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with every control character but newlines shown as an escape."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def number(value: float | int | None, error: float | None = None) -> str:
    """A measured number in as many digits as its standard error allows, or a dash."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    if error is None or error <= 0:
        return f"{value:.4g}"
    digits = max(0, min(6, 1 - int(f"{error:e}".partition("e")[2])))
    return f"{value:.{digits}f}"


def with_error(value: float | int | None, error: float | None) -> str:
    """A measured number and its standard error, or the number alone, or a dash."""
    return number(value, error) + (f" ± {number(error, error)}" if error else "")


def size(count: int) -> str:
    """A number of bytes in kB or MB."""
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1e6:.1f} MB"
