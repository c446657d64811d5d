"""Time against peers, parameters and parties: one picture, three panels, logarithmic axes."""

from __future__ import annotations

from pathlib import Path

AXES = {"n": "peers n", "d": "parameters d", "m": "parties m"}
Lines = dict[str, list[tuple[float, float]]]


def draw(found: dict[str, Lines], caption: str, path: Path) -> bool:
    """Write the picture of `{axis: {stage: [(size, seconds), ...]}}` to `path`; False without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(found), figsize=(6 * len(found), 5), layout="constrained", squeeze=False)
    for panel, (axis, lines) in zip(panels[0], found.items(), strict=True):
        for stage, points in lines.items():
            width = 2.5 if stage == "round" else 1.2
            panel.loglog(*zip(*points, strict=True), "o-", label=stage, linewidth=width, markersize=4)
        panel.set(xlabel=AXES[axis], ylabel="seconds", title=f"time against {axis}")
        panel.grid(True, which="both", alpha=0.2)
        panel.legend(fontsize=8)
    figure.suptitle(caption, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return True
