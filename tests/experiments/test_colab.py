"""The notebook: its two forms agree, its installation pins what is there, and a small run of it raises nothing."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "experiments"
SCRIPT, NOTEBOOK = FOLDER / "colab.py", FOLDER / "colab.ipynb"


def read(path: Path) -> nbformat.NotebookNode:
    return jupytext.read(path) if path.suffix == ".py" else nbformat.read(path, as_version=4)


def versions() -> dict[str, str]:
    return {package.name: package.version for package in metadata.distributions()}


def test_both_forms_agree():
    script, notebook = read(SCRIPT), read(NOTEBOOK)
    cells = [[(cell.cell_type, cell.source) for cell in form.cells] for form in (script, notebook)]
    assert cells[0] == cells[1], "after a change of experiments/colab.py run `make notebook`"
    for name in ("kernelspec", "accelerator", "colab"):
        assert script.metadata[name] == notebook.metadata[name]
    assert script.metadata.jupytext.formats == notebook.metadata.jupytext.formats == "ipynb,py:percent"


def test_no_output_is_kept():
    code = [cell for cell in read(NOTEBOOK).cells if cell.cell_type == "code"]
    assert code
    assert not any(cell.outputs or cell.execution_count for cell in code)


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> nbformat.NotebookNode:
    """The notebook after a run of the tiny size, in a fresh kernel with this environment's settings."""
    notebook = read(NOTEBOOK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPCJAX_NOTEBOOK", "tiny")
        patch.setenv("PYTHONPATH", str(FOLDER.parent))
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": FOLDER}})
        client.execute()
    return notebook


def printed(notebook: nbformat.NotebookNode) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


def test_it_runs_and_draws(executed):
    outputs = [output for cell in executed.cells for output in cell.get("outputs", ())]
    assert not any(output.output_type == "error" for output in outputs)
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(figures) == 2
    text = printed(executed)
    assert "verified; 6 of 6 peers accepted" in text
    assert "6 peers x 500 parameters" in text


def test_it_installs_nothing_here(executed):
    text = printed(executed)
    assert "pip install" not in text
    assert f"unchanged: jax {metadata.version('jax')}, jaxlib {metadata.version('jaxlib')}" in text
    assert f"jax {metadata.version('jax')}, 1 x" in text


class Distribution:
    """As much of an installed package as the notebook looks at."""

    def __init__(self, name: str, version: str):
        self.name, self.version = name, version


def install_cell() -> str:
    return next(cell.source for cell in read(NOTEBOOK).cells if cell.cell_type == "code")


def run_install_cell(monkeypatch, *, missing: set[str], replaced: dict[str, str] | None = None) -> list[list[str]]:
    """The pip calls of the first code cell, where `missing` is not there and pip would also put `replaced` in place."""
    there = {name: version for name, version in versions().items() if name not in missing}
    calls: list[list[str]] = []

    def pip(command, **options):
        calls.append(command)
        there.update({"mpcjax": "0.1.0", **dict.fromkeys(missing, "99.0"), **(replaced or {})})
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.chdir(FOLDER)
    monkeypatch.setattr(metadata, "distributions", lambda: [Distribution(*item) for item in there.items()])
    monkeypatch.setattr(subprocess, "run", pip)
    exec(compile(install_cell(), str(NOTEBOOK), "exec"), {})
    return calls


def test_only_what_is_missing_is_installed(monkeypatch):
    own, others = run_install_cell(monkeypatch, missing={"mpcjax", "rich", "optax"})
    assert own == [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", str(FOLDER.parent)]
    assert others[5] == "--constraint"
    assert {name.partition(">=")[0] for name in others[7:]} == {"rich", "optax"}
    pins = Path(others[6]).read_text().splitlines()
    for name in ("jax", "jaxlib", "flax", "numpy"):
        assert f"{name}=={metadata.version(name)}" in pins
    assert not any(pin.startswith(("mpcjax==", "rich==", "optax==")) for pin in pins)


def test_a_changed_version_would_be_said(monkeypatch):
    with pytest.raises(RuntimeError, match="changed other packages"):
        run_install_cell(monkeypatch, missing={"mpcjax"}, replaced={"jax": "99.0"})
