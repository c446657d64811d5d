"""Reading tables of a TOML file strictly: every complaint names the key, the value, what is legal, and so the fix."""

from __future__ import annotations

import difflib
import math
import re
from typing import Any

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Table:
    """One table of a file. `where` is its name in messages; keys outside of `legal` are refused at once."""

    def __init__(self, values: Any, where: str, legal: tuple[str, ...]):
        if not isinstance(values, dict):
            raise ValueError(f"{where} is {values!r}, legal: a table with {', '.join(legal)}")
        self.values, self.where = values, where
        for key in values:
            if key not in legal:
                near = difflib.get_close_matches(key, legal, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise ValueError(f"{where} has the unknown key {key!r}; {hint}legal: {', '.join(legal)}")

    def wrong(self, key: str, legal: str) -> ValueError:
        value = f"is {self.values[key]!r}" if key in self.values else "is missing"
        return ValueError(f"{self.where}.{key} {value}, legal: {legal}")

    def text(self, key: str, legal: str, default: str | None = None) -> str:
        """A non-empty string; required where there is no default."""
        value = self.values.get(key, default)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, legal)
        return value

    def name(self, key: str) -> str:
        legal = "1 to 64 letters, digits and . _ - (a letter or digit first)"
        value = self.text(key, legal)
        if not NAME.fullmatch(value):
            raise self.wrong(key, legal)
        return value

    def number(self, key: str, default: float, low: float, high: float, unit: str) -> float:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self.wrong(key, f"a number of {unit} in {low}..{high}")
        return float(value)

    def integer(self, key: str, default: int, low: int, high: int, unit: str) -> int:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.wrong(key, f"a whole number of {unit} in {low}..{high}")
        return value


def address(text: str, complaint: ValueError) -> tuple[str, int]:
    """`host:port` or `[IPv6]:port` as a pair; raises `complaint` for anything else."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise complaint
    if not (colon and host and port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65_535):
        raise complaint
    return host, int(port)


def free(value: Any, where: str) -> Any:
    """A value of a free table: strings, integers, finite numbers, booleans, and lists and tables of these."""
    if isinstance(value, dict):
        return {key: free(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [free(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, str | int | bool) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError(f"{where} is {value!r}, legal: a string, a finite number, true, false, a list or a table")
