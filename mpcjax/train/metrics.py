"""What a run leaves behind: one JSON object a round, and a line on the terminal."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class JsonLines:
    """Appends records to a file, one JSON object a line. Without a path it only keeps them in ``records``.

    Numbers that JSON does not have (NaN, infinity) are written as null.
    """

    def __init__(self, path: str | os.PathLike | None = None, *, keep_rounds: int = 0) -> None:
        """``keep_rounds``: a resumed run keeps the file's records of earlier rounds and drops the others."""
        self.path = Path(path) if path is not None else None
        self.records: list[dict[str, Any]] = []
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if keep_rounds and self.path.exists():
            self.records = [entry for entry in read(self.path) if entry["round"] < keep_rounds]
        self.path.write_text("".join(_line(entry) for entry in self.records))

    def write(self, record: Mapping[str, Any]) -> None:
        clean = {key: _clean(value) for key, value in record.items()}
        self.records.append(clean)
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(_line(clean))


def read(path: str | os.PathLike) -> list[dict[str, Any]]:
    """All records of a file written by ``JsonLines``. A last line that was cut off is ignored."""
    records = []
    for line in Path(path).read_text().splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def report_fields(report: Any) -> dict[str, Any]:
    """The part of an aggregation's report that belongs in the log; empty for plain float32."""
    if report is None:
        return {}
    return {
        "verified": bool(report.verified),
        "excluded": {str(peer): reason for peer, reason in report.excluded.items()},
        "committee": list(report.committee),
        "liars": list(report.liars),
        "failed": [{"committee": list(members), "check": check} for members, check in report.failed],
        "communication_rounds": int(report.rounds),
        "offline_bytes_per_party": float(report.offline_bytes),
        "online_bytes_per_party": float(report.online_bytes),
        "upload_bytes_per_peer": float(report.upload_bytes),
        "phase_seconds": dict(report.seconds),
    }


def progress(console: Console | None = None) -> Progress:
    """A progress bar for rounds, with the latest accuracy beside it."""
    return Progress(
        TextColumn("[bold]{task.description:<24}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, allow_nan=False) + "\n"


def _clean(value: Any) -> Any:
    if hasattr(value, "tolist"):  # NumPy and JAX arrays and scalars
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    return value
