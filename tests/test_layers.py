"""The house's laws, read from the source: who may import whom, and what only one file may do.

Imports go down the list `LAYERS`, from any entry to those before it; parts of one package may import one another.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mpcjax"

LAYERS = (
    "errors",
    "checks",
    "_compat",
    "_collector",
    "net",  # bytes between processes: knows nothing of what they mean
    "work",
    "_trees",
    "committee",
    "fields",
    "prg",
    "seeds",
    "fabric",
    "segments",
    "sharing",
    "spreading",
    "runtime",
    "protocols",
    "offline",
    "costs",  # measures them
    "circuits",
    "secret",
    "certificates",
    "rules",
    "jaxprs",
    "setup",
    "phases",
    "weighing",
    "standing",
    "planning",
    "session",
    "report",
    "lanes",
    "grouping",
    "passes",
    "blocks",
    "devices",
    "forwarding",
    "simulator",
    "arguments",
    "api",
    "peers",
    "attacks",
    "__init__",  # the public names
    "train",  # calls the public interface as any user does
    "cli",
    "__main__",
)
# The fabric moves arrays and knows no arithmetic.
FORBIDDEN = {"fabric": {"fields", "prg"}}
# What the base installation has; only `train` may use what the extra [train] adds, and what [peer] adds only these.
EXTRA = {"net": {"cryptography"}, "cli": {"typer", "rich"}}
BASE = {"jax", "jaxlib", "numpy", "mpcjax"} | set(sys.stdlib_module_names)


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def layer_of(path: Path) -> str:
    """The entry of `LAYERS` that a file of the package belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(source: str, path: Path) -> Iterator[str]:
    """Absolute dotted names of everything that a file imports, wherever in the file, relative imports resolved."""
    package = ("mpcjax", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*start, *([node.module] if node.module else [])))
            yield from (f"{base}.{name.name}" for name in node.names)


def upward_imports(source: str, path: Path) -> list[str]:
    """What a file imports from a layer that is not below its own."""
    here = layer_of(path)
    wrong = []
    for name in imports(source, path):
        root, _, rest = name.partition(".")
        first = rest.partition(".")[0]
        # a name that is no module of the package is one of those that `mpcjax` itself gives
        there = first if first in LAYERS else "__init__"
        if root != "mpcjax" or here not in LAYERS or there == here:
            continue
        if LAYERS.index(there) > LAYERS.index(here) or there in FORBIDDEN.get(here, ()):
            wrong.append(name)
    return wrong


def foreign_imports(source: str, path: Path) -> list[str]:
    """What a file imports that neither the base installation has nor the extra of its layer."""
    if layer_of(path) == "train":
        return []
    allowed = BASE | EXTRA.get(layer_of(path), set())
    return [name for name in imports(source, path) if name.partition(".")[0] not in allowed]


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


VERSION_NAMES = {"__version__", "__version_info__"}
VERSION_MODULES = {"jax.version", "jaxlib.version", "importlib.metadata", "pkg_resources", "packaging.version"}


def version_branches(source: str, path: Path) -> list[str]:
    """Where a file looks at the version of JAX, or at whether JAX has a name."""
    wrong = [name for name in imports(source, path) if name.startswith(tuple(VERSION_MODULES))]
    wrong += [name for name in imports(source, path) if name.endswith("enable_x64")]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            if node.attr in VERSION_NAMES | {"enable_x64"} and _dotted(node).startswith(("jax.", "jaxlib.")):
                wrong.append(_dotted(node))
        elif isinstance(node, ast.Call) and _dotted(node.func) in {"hasattr", "getattr"}:
            asked = _dotted(node.args[0]).partition(".")[0]
            wrong += [ast.unparse(node)] if asked in {"jax", "jnp", "lax", "jaxlib"} else []
    return wrong


def _reads(node: ast.Attribute) -> bool:
    """Another thread does not have the device that the user has chosen for this one."""
    return _dotted(node) == "jax.config.jax_default_device" and isinstance(node.ctx, ast.Load)


CHANGING_CALLS = {"os.putenv", *(f"os.environ.{name}" for name in ("update", "setdefault", "pop", "clear"))}


def settings_changed(source: str, path: Path) -> list[str]:
    """Where a file could change a setting of JAX or of the process (it may read the environment)."""
    wrong = [name for name in imports(source, path) if name.startswith(("jax.config", "jax._src"))]
    tree = ast.parse(source)
    reads = {node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _reads(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _dotted(node).startswith("jax.config"):
            if node in reads or _reads(node):
                continue
            wrong.append(_dotted(node))
        elif isinstance(node, ast.Call) and _dotted(node.func) in CHANGING_CALLS:
            wrong.append(ast.unparse(node))
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            wrong += [ast.unparse(node)] if _dotted(node.value) == "os.environ" else []
    return wrong


def report(check, *but: str) -> dict[str, list[str]]:
    """`check` over every source file except the named ones: {file: what is wrong}."""
    found = {}
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        wrong = [] if name in but else check(path.read_text(), path)
        if wrong:
            found[name] = wrong
    return found


def test_every_module_has_a_layer():
    unlisted = {layer_of(path) for path in sources()} - set(LAYERS)
    assert not unlisted, f"give each a place in LAYERS: {sorted(unlisted)}"


def test_imports_go_down():
    assert report(upward_imports) == {}


def test_only_layers_with_an_extra_need_it():
    assert report(foreign_imports) == {}


def test_only_compat_branches_on_versions():
    assert report(version_branches, "mpcjax/_compat.py") == {}


def test_no_module_changes_a_setting():
    assert report(settings_changed, "mpcjax/cli.py") == {}  # the command is a process of its own


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("fields/linalg.py", "from mpcjax.protocols import open_"),
        ("fields/linalg.py", "import mpcjax.session"),
        ("fields/linalg.py", "def f():\n    from mpcjax import api"),
        ("fields/linalg.py", "from ..rules.mean import Mean"),
        ("fields/linalg.py", "from .. import sharing"),
        ("fields/linalg.py", "import mpcjax"),
        ("prg.py", "from . import fabric"),
        ("fabric/base.py", "from mpcjax import fields"),
        ("net/channels.py", "from mpcjax.fabric import base"),
        ("fabric/tls.py", "from mpcjax import cli"),
        ("fabric/base.py", "from mpcjax.prg import Stream"),
        ("api.py", "from mpcjax import attacks"),
        ("attacks/ipm.py", "from mpcjax.train import loop"),
        ("api.py", "from mpcjax import aggregate"),
        ("secret.py", "from mpcjax.unlisted import f"),
        ("__init__.py", "from mpcjax import train"),
    ],
)
def test_upward_import_would_be_reported(file, source):
    assert upward_imports(source, PACKAGE / file)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("__init__.py", "from mpcjax.api import aggregate"),
        ("prg.py", "from mpcjax.fields import Field"),
        (
            "fields/linalg.py",
            "from . import mersenne\nfrom .mersenne import Field\nfrom mpcjax.fields.fixed import encode",
        ),
        ("train/loop.py", "import jax, flax, mpcjax\nfrom mpcjax import api, attacks, aggregate"),
        ("rules/mean.py", "from ..errors import Abort"),
    ],
)
def test_downward_import_is_allowed(file, source):
    assert upward_imports(source, PACKAGE / file) == []


@pytest.mark.parametrize(
    ("check", "source"),
    [
        (version_branches, "import jax\nif jax.__version__ > '0.8': pass"),
        (version_branches, "import jax\nnew = jax.__version_info__ >= (0, 8)"),
        (version_branches, "import jax\nnew = hasattr(jax, 'shard_map')"),
        (version_branches, "from importlib.metadata import version"),
        (version_branches, "from jax.experimental import enable_x64"),
        (version_branches, "import jax\nwith jax.enable_x64(True): pass"),
        (settings_changed, "import jax\njax.config.update('jax_enable_x64', True)"),
        (settings_changed, "from jax import config"),
        (settings_changed, "import os\nos.environ['XLA_FLAGS'] = ''"),
        (foreign_imports, "import flax.linen as nn"),
        (foreign_imports, "def f():\n    import optax"),
        (foreign_imports, "import cryptography"),
        (foreign_imports, "import typer"),
    ],
)
def test_breach_would_be_reported(check, source):
    assert check(source, PACKAGE / "session.py")


@pytest.mark.user
def test_public_names_are_the_designs():
    import mpcjax

    modules = {"rules", "attacks", "costs"}
    others = {
        "aggregate",
        "connect",
        "simulate",
        "secure",
        "estimate",
        "committee_size",
        "Rule",
        "Secret",
        "Report",
        "Abort",
    }
    assert sorted(mpcjax.__all__) == sorted(modules | others)
    stray = {
        name
        for name, value in vars(mpcjax).items()
        if not name.startswith("_") and not isinstance(value, type(sys)) and name != "annotations"
    }
    assert stray == others
