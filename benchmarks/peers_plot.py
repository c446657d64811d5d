"""Time against d, n and m of every engine: one picture, three panels, logarithmic axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

AXES = {"d": "length d", "n": "vectors n", "m": "parties m"}
MARKERS = {"mean": "o", "multiplications": "s", "comparisons": "^", "squared norms": "D", "centered clipping": "v"}
Series = list[tuple[float, float]]


def series(rows: list[dict[str, Any]], axis: str) -> dict[tuple[str, str, str], Series]:
    """`{(engine, job, other sizes): [(size, seconds), ...]}`: rows that differ in `axis` alone, at least two of them."""
    others = [name for name in AXES if name != axis]
    found: dict[tuple[str, str, str], Series] = {}
    for row in rows:
        if row["unit"] == "s":
            fixed = ", ".join(f"{name}={row[name]:,}" for name in others if row[name] > (name == "n"))
            found.setdefault((row["engine"], row["name"], fixed), []).append((row[axis], row["value"]))
    return {key: sorted(points) for key, points in found.items() if len({size for size, _ in points}) > 1}


def draw(rows: list[dict[str, Any]], caption: str, path: Path) -> bool:
    """Write the picture to `path`; False without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    colors = {engine: f"C{k}" for k, engine in enumerate(sorted({row["engine"] for row in rows}))}
    figure, panels = plt.subplots(1, len(AXES), figsize=(18, 9), layout="constrained")
    for panel, (axis, label) in zip(panels, AXES.items(), strict=True):
        for (engine, job, fixed), points in sorted(series(rows, axis).items()):
            plain, style = job.removesuffix(", plaintext"), {"color": colors[engine], "markersize": 5}
            style |= {"marker": MARKERS.get(plain, "x"), "label": f"{engine}: {job}; {fixed}"}
            panel.loglog(*zip(*points, strict=True), "-" if plain == job else ":", **style)
        panel.set(xlabel=label, ylabel="seconds", title=f"time against {axis}")
        panel.grid(True, which="both", alpha=0.2)
        if panel.lines:
            panel.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.1))
    figure.suptitle(f"Guarantees differ: see the table beside this picture.\n{caption}", fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return True
