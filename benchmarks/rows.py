"""One measured number as a row: apart from `harness`, so that environments without JAX can make rows too."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def row(
    name: str,
    value: float,
    unit: str,
    *,
    shape: Any = "",
    floor: float | None = None,
    floor_name: str = "",
    more_is_better: bool = False,
    **more: Any,
) -> Row:
    """One measured number: `value` in `unit`, beside the `floor` in the same unit that bounds it on this machine.

    `ratio` says how many times worse than the floor the value is: 1.0 is as good. Set `more_is_better` for rates.
    `shape` says of what; `more` goes into the JSON as it is.
    """
    result: Row = {"name": name, "shape": shape if isinstance(shape, str) else str(shape), "value": value, "unit": unit}
    if floor is not None:
        ratio = floor / value if more_is_better else value / floor
        result |= {"floor": floor, "floor_name": floor_name, "ratio": ratio}
    return result | more
