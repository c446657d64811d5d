"""Checkpoints: one msgpack file that is replaced as a whole, with the settings that it belongs to."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import serialization


def save(path: str | os.PathLike, state: Any, *, round: int, settings: Mapping[str, Any]) -> None:
    """Writes ``state`` (a pytree of arrays) and how many rounds it has behind it. A crash leaves the old file whole."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    payload = {
        "state": serialization.to_state_dict(jax.tree.map(np.asarray, state)),
        "round": round,
        "settings": json.dumps(dict(settings), sort_keys=True),
    }
    partial = target.with_name(target.name + ".partial")
    with partial.open("wb") as file:
        file.write(serialization.msgpack_serialize(payload))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)


def load(path: str | os.PathLike, template: Any, *, settings: Mapping[str, Any]) -> tuple[Any, int]:
    """``(state, round)`` of a checkpoint with the same settings and the same shapes as ``template``."""
    payload: Any = serialization.msgpack_restore(Path(path).read_bytes())
    _same_settings(path, json.loads(payload["settings"]), json.loads(json.dumps(dict(settings))))
    state = serialization.from_state_dict(template, payload["state"])
    for (where, wanted), found in zip(
        jax.tree_util.tree_leaves_with_path(template), jax.tree.leaves(state), strict=True
    ):
        if np.shape(found) != np.shape(wanted) or np.asarray(found).dtype != wanted.dtype:
            name = jax.tree_util.keystr(where)
            raise ValueError(
                f"{path}: {name} is {np.asarray(found).dtype}{list(np.shape(found))} in the checkpoint but "
                f"{wanted.dtype}{list(np.shape(wanted))} in this run; start afresh or use the model it was made with"
            )
    return jax.tree.map(jnp.asarray, state), int(payload["round"])


def _same_settings(path: str | os.PathLike, saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    different = sorted(key for key in saved.keys() | wanted.keys() if saved.get(key) != wanted.get(key))
    if different:
        pairs = ", ".join(f"{key}: {saved.get(key)!r} there, {wanted.get(key)!r} here" for key in different)
        raise ValueError(f"{path} belongs to a run with other settings ({pairs}); use another path or those settings")
