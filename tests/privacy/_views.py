"""Exact distributions of what corrupt parties see, by running a protocol on *every* outcome of its randomness.

A `Tape` stands for all the randomness of a run: one field element after another. Number k of the p^K runs reads the
digits of k in base p, and all runs go through one vmapped program. Streams and offline material draw from the tape, and
the fabric writes down what each party receives, so that nothing is sampled and nothing is computed by a second
implementation of the protocol.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.fabric import Simulated
from mpcjax.fields import Field
from mpcjax.protocols import dealers
from mpcjax.runtime import Material, Runtime
from mpcjax.sharing import Shamir

Secret = tuple[int, ...]


class Tape:
    """Hands out the base-p digits of a run's number; counts them in a dry run."""

    def __init__(self, field: Field, number: Any):
        self.field, self.rest, self.used = field, number, 0

    def draw(self, shape: tuple[int, ...]) -> Any:
        digits, p = [], self.field.modulus
        for _ in range(math.prod(shape)):
            digits.append(self.rest % p)
            self.rest = self.rest // p
        self.used += len(digits)
        return jnp.stack(digits).astype(self.field.dtype).reshape(shape)


class TapeStream:
    """What protocols use of `Stream`. A `public` stream is seen by everybody. `claim` hands on the stream as its own key."""

    def __init__(self, tape: Tape, rows: int, witness: Watched | None = None):
        self.tape, self.rows, self.witness = tape, rows, witness

    def uniform(self, label: str, field: Field, shape: tuple[int, ...]) -> Any:
        values = self.tape.draw((self.rows, *shape))
        if self.witness is not None:
            self.witness.everybody(values)
        return values

    def child(self, label: str, *indices: int) -> TapeStream:
        return self

    def shared(self, label: str, count: int) -> TapeStream:
        return TapeStream(self.tape, self.rows * count, self.witness)

    def claim(self, label: str, *indices: int) -> tuple[TapeStream, None]:
        return self, None


def elements_of_claim(keys: TapeStream, nonces: None, field: Field, shape: tuple[int, ...]) -> Any:
    """In place of `field_elements`, which expands what `claim` gave."""
    return keys.uniform("claimed", field, shape)


class Watched(Simulated):
    """Writes down what each party receives, `private [m, *]`, and what all do, `public [*]`."""

    def __init__(self, parties: int):
        super().__init__(parties)
        self.private: list[Any] = []
        self.public: list[Any] = []

    def each(self, shares: Any) -> Any:
        self.private.append(shares.reshape(self.parties, -1))
        return shares

    def everybody(self, values: Any) -> Any:
        self.public.append(values.reshape(-1))
        return values

    def _exchange(self, x: Any, label: str) -> Any:
        return self.each(super()._exchange(x, label))

    def _broadcast(self, x: Any, label: str) -> Any:
        return self.everybody(super()._broadcast(x, label))

    def from_peers(self, x: Any, label: str, known: int = 0, expand: Any = None) -> Any:
        return self.each(super().from_peers(x, label, known))

    def evidence(self, x: Any, said: Any, label: str, disputed: Any) -> Any:
        """Never sent in an honest run."""
        return x


class TapeMaterial(Material):
    """Correlated randomness dealt from the tape and seen by its holders; `mask` may spoil the values that hide secrets."""

    def __init__(self, scene: Scene, mask: Callable[[Any], Any]):
        self.scene, self.mask = scene, mask

    def take(self, kind: str, shape: tuple[int, ...]) -> tuple[Any, ...]:
        scene, t = self.scene, self.scene.rt.scheme.threshold
        if kind == "zero":
            return (scene.share(scene.rt.field.zeros(shape), 2 * t),)
        first = self.mask(scene.tape.draw(shape))
        if kind == "random":
            return (scene.share(first),)
        if kind == "double":
            return scene.share(first), scene.share(first, 2 * t)
        assert kind == "triple"
        second = self.mask(scene.tape.draw(shape))
        return scene.share(first), scene.share(second), scene.share(scene.rt.field.mul(first, second))


class Scene:
    """One run: a runtime whose randomness is the tape."""

    def __init__(self, scheme: Shamir, number: Any, mask: Callable[[Any], Any] = lambda value: value):
        self.tape, self.fabric = Tape(scheme.field, number), Watched(scheme.parties)
        stream: Any = TapeStream(self.tape, scheme.parties)
        self.rt = Runtime(scheme, self.fabric, stream, TapeMaterial(self, mask))

    def share(self, secret: Any, degree: int | None = None) -> Any:
        """Shares of `secret [...]`, each seen by its holder."""
        scheme = self.rt.scheme
        noise = self.tape.draw((scheme.threshold if degree is None else degree, *secret.shape))
        return self.fabric.each(scheme.share(secret, noise))

    def public(self) -> Any:
        return TapeStream(self.tape, 1, self.fabric)

    def peers(self, count: int) -> Any:
        return dealers(self.rt, TapeStream(self.tape, count))  # type: ignore[arg-type]

    def view(self) -> tuple[Any, Any]:
        field, m = self.rt.field, self.rt.scheme.parties
        public = jnp.concatenate([field.zeros((0,)), *self.fabric.public])
        return jnp.concatenate([field.zeros((m, 0)), *self.fabric.private], axis=1), public


Program = Callable[..., None]  # program(scene, *secret values)


def leaking_subsets(
    scheme: Shamir, program: Program, secrets: list[Secret], given: Callable[..., int] = lambda *_: 0, **spoil: Any
) -> list[tuple[int, ...]]:
    """The sets of t parties whose joint view has not the same distribution for all `secrets` of equal `given(*secret)`."""
    subsets = list(itertools.combinations(range(scheme.parties), scheme.threshold))
    table = joint_views(scheme, program, secrets, subsets, **spoil)
    known = np.array([given(*secret) for secret in secrets])
    alike = [known == value for value in np.unique(known)]
    return [s for s, codes in zip(subsets, table, strict=True) if not all(_same(codes[group]) for group in alike)]


def joint_views(
    scheme: Shamir, program: Program, secrets: list[Secret], subsets: list[tuple[int, ...]], **spoil: Any
) -> np.ndarray:
    """The view of every subset, as one integer, in every run and for every secret: `[subsets, secrets, runs]`."""
    p, used = scheme.field.modulus, []
    members = np.asarray(subsets)

    def run(number: Any, secret: Any) -> Any:
        scene = Scene(scheme, number, **spoil)
        program(scene, *secret)
        used.append(scene.tape.used)
        private, public = scene.view()
        together = private[members].reshape(len(subsets), -1)
        return _coded(p, jnp.concatenate([together, jnp.broadcast_to(public, (len(subsets), *public.shape))], axis=1))

    values = np.asarray(secrets, scheme.field.dtype)
    jax.eval_shape(run, np.uint32(0), values[0])
    runs = p ** used[0]
    assert runs * len(secrets) < 1 << 23, f"{used[0]} random elements are too many to enumerate"
    of_all_runs = jax.jit(jax.vmap(run, in_axes=(0, None), out_axes=1))
    numbers = np.arange(runs, dtype=np.uint32)
    return np.stack([np.asarray(of_all_runs(numbers, secret)) for secret in values], axis=1)


def _coded(p: int, digits: Any) -> Any:
    """Digits `[subsets, V]` mod p as one integer each."""
    assert p ** digits.shape[1] < 1 << 63, f"a view of {digits.shape[1]} elements does not fit one word"
    code = jnp.zeros(digits.shape[:1], jnp.int64)
    for k in range(digits.shape[1]):
        code = code * p + digits[:, k].astype(jnp.int64)
    return code


def _same(codes: np.ndarray) -> bool:
    """Whether the rows of `codes [secrets, runs]` are the same multisets."""
    first = np.sort(codes[0])
    return all(np.array_equal(first, np.sort(row)) for row in codes[1:])
