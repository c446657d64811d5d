"""What a traced program computes and holds, counted on its jaxpr: shapes are static, so nothing has to run.

A count is of what the program says, not of what a compiler makes of it: every operation on an array is as many operations
as its result has words of 64 bits, a loop's body counts as often as it runs. The rates that turn counts into seconds are of
small programs counted in the same way (`mpcjax.costs`). A loop of unknown length is a repair that hardly ever happens here
(`prg`), and counts as none.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax

WORD = 8  # bytes
CACHE = 1 << 22  # bytes: what lies in a larger array is in main memory
ROUND_BYTES = 0.8  # of ChaCha20 keystream for a quarter round: 80 of them make a block of 64 bytes

FREE = {
    "reshape", "broadcast_in_dim", "squeeze", "expand_dims", "slice", "iota", "convert_element_type", "copy", "copy_p",
    "bitcast_convert_type", "stop_gradient", "platform_index", "axis_index", "empty", "empty2", "split", "pvary",
    "optimization_barrier", "random_bits", "device_put",
}  # fmt: skip
KERNELS = {
    "dynamic_slice", "dynamic_update_slice", "concatenate", "stack", "pad", "gather", "scatter", "scatter-add", "sort",
    "transpose", "rev", "cumsum", "cumlogsumexp", "cummax", "argmax", "argmin", "all_gather", "psum", "select_and_scatter",
}  # fmt: skip
CALLS = {"scan", "cond", "while", "jit", "pjit", "closed_call", "custom_vmap_call", "shard_map", "core_call"}


@dataclasses.dataclass(frozen=True)
class Work:
    """Of a program or a round, by kind.

    `words`: operations on words of 64 bits other than `products` of such words; `floats`: terms of matrix products.
    `keystream`: bytes of ChaCha20 from the unrolled kernel, `rolled`: from the short form. `moved`: bytes read from and
    written to arrays that no cache holds; `fresh`: bytes of memory that is new to the process. `kernels`: operations that
    cannot be part of another, and are started one by one.
    """

    words: float = 0.0
    products: float = 0.0
    floats: float = 0.0
    keystream: float = 0.0
    rolled: float = 0.0
    moved: float = 0.0
    fresh: float = 0.0
    kernels: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(*(a + b for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))

    def __mul__(self, times: float) -> Work:
        return Work(*(times * a for a in dataclasses.astuple(self)))


@dataclasses.dataclass(frozen=True)
class Load:
    """What the phases of a round compute, in order, and the most bytes of arrays that are held at a time."""

    phases: tuple[tuple[str, Work], ...]
    memory: int

    @property
    def work(self) -> Work:
        """Of all phases together."""
        return sum((work for _, work in self.phases), Work())


def counted(function: Callable[..., Any], *args: Any) -> tuple[Any, Work, int]:
    """Shapes of the results of `function(*args)`, the work, and the bytes of temporaries and results at most."""
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
    walk = _Walk()
    held = walk.held(closed.jaxpr)
    return shapes, walk.work(closed.jaxpr) + Work(fresh=held if held > CACHE else 0), held


def nbytes(tree: Any) -> int:
    """Bytes of the distinct arrays in a tree of shapes."""
    leaves = {id(leaf): leaf for leaf in jax.tree_util.tree_leaves(tree)}
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves.values())


class _Walk:
    """Counts every jaxpr once, however often it is called."""

    def __init__(self) -> None:
        self._work: dict[tuple[int, bool, bool], Work] = {}
        self._held: dict[tuple[int, bool], int] = {}
        self._kept: list[Any] = []  # so that no other jaxpr gets the address of one that is known

    def work(self, jaxpr: Any, fused: bool = False, body: bool = False) -> Work:
        """`fused`: within one kernel. `body`: of a loop or call, whose results are written where they are put in place."""
        key = id(jaxpr), fused, body
        if key not in self._work:
            reads = _Reads(jaxpr)
            found = sum((self._of(eqn, fused, reads) for eqn in jaxpr.eqns), Work())
            self._work[key] = found if fused or body else found + Work(moved=reads.of_results(jaxpr))
            self._kept.append(jaxpr)
        return self._work[key]

    def _of(self, eqn: Any, fused: bool, reads: _Reads) -> Work:
        name, started = eqn.primitive.name, Work()
        if not fused:
            started = Work(kernels=1, moved=reads.moved(eqn)) if _is_kept(eqn) else reads.passed_on(eqn)
        if name == "reduce_window":
            return self.work(_inner(eqn.params["jaxpr"]), True) * _size(eqn.outvars[0]) + started
        if eqn.params.get("name") == "quarter_round":
            made = ROUND_BYTES * _size(eqn.outvars[0])
            return Work(keystream=made) if fused else Work(rolled=made)
        parts = list(_parts(eqn))
        if parts or name == "while":
            return sum((self.work(part, fused, name != "cond") * times for part, times in parts), Work())
        return _alone(eqn) + started

    def held(self, jaxpr: Any, body: bool = False) -> int:
        """Bytes of what is computed and needed at a time, at most. Element-wise results live in their consumers.

        `body`: of a loop, whose results are booked where the loop is.
        """
        found = self._held.get((id(jaxpr), body))
        if found is None:
            found = self._held[id(jaxpr), body] = self._most(jaxpr, body)
            self._kept.append(jaxpr)
        return found

    def _most(self, jaxpr: Any, body: bool) -> int:
        until = _last_uses(jaxpr)
        results = set() if body else {id(var) for var in jaxpr.outvars}
        arrays = {id(var) for var in (*jaxpr.invars, *jaxpr.constvars)}  # that are in memory
        freed: dict[int, int] = {}
        now = most = 0
        for place, eqn in enumerate(jaxpr.eqns):
            loop = eqn.primitive.name == "scan"
            made = [var for var in eqn.outvars if _is_kept(eqn) or id(var) in results]
            if eqn.primitive.name == "dynamic_update_slice" and id(eqn.invars[0]) in arrays:
                arrays |= {id(var) for var in made}
                made = []  # written in place
            own = sum(map(_nbytes, made))
            inner = max((self.held(part, loop) for part, _ in _parts(eqn)), default=0)
            gone = freed.pop(place, 0)
            in_place = min(gone, own) if loop else 0
            most = max(most, now - in_place + (own + inner if loop else max(own, inner)))
            now += own - gone
            for var in made:
                arrays.add(id(var))
                last = until.get(id(var), place)
                now -= _nbytes(var) if last <= place else 0
                freed[last] = freed.get(last, 0) + _nbytes(var)
        return most


def _last_uses(jaxpr: Any) -> dict[int, int]:
    """The last equation that needs a variable, by its identity: what is computed in a consumer needs its operands then."""
    until = {id(var): len(jaxpr.eqns) for var in jaxpr.outvars}
    for place in range(len(jaxpr.eqns) - 1, -1, -1):
        eqn = jaxpr.eqns[place]
        later = max([place, *(until.get(id(var), place) for var in eqn.outvars)])
        fused, in_place = not _is_kept(eqn), eqn.primitive.name == "dynamic_update_slice"
        for number, var in enumerate(eqn.invars):
            needed = later if fused or (in_place and number == 0) else place
            until[id(var)] = max(until.get(id(var), -1), needed)
    return until


def _is_kept(eqn: Any) -> bool:
    """Whether an operation is a kernel of its own, or has some in it, so that its results are put into memory."""
    name = eqn.primitive.name
    if name in ("jit", "pjit"):
        return any(_is_kept(inner) for part, _ in _parts(eqn) for inner in part.eqns)
    return name in KERNELS or name in CALLS or name == "dot_general" or name.startswith("reduce") or _calls(eqn)


def _calls(eqn: Any) -> bool:
    return any(True for _ in _parts(eqn))


class _Reads:
    """Which parts of large arrays the element-wise values of a jaxpr are computed from, in bytes."""

    def __init__(self, jaxpr: Any):
        self._sources: dict[int, dict[int, int]] = {}
        for var in (*jaxpr.invars, *jaxpr.constvars):
            self._is_array(var)

    def _is_array(self, var: Any) -> None:
        if _nbytes(var) > CACHE:
            self._sources[id(var)] = {id(var): _nbytes(var)}

    def _from(self, operands: Any) -> dict[int, int]:
        found: dict[int, int] = {}
        for var in operands:
            found |= self._sources.get(id(var), {})
        return found

    def passed_on(self, eqn: Any) -> Work:
        """Of an element-wise operation, or a slice, which reads no more than its result has."""
        found = self._from(eqn.invars)
        if found and eqn.primitive.name == "slice":
            found = {id(eqn.outvars[0]): min(_nbytes(eqn.outvars[0]), sum(found.values()))}
        if found:
            self._sources |= {id(var): found for var in eqn.outvars}
        return Work()

    def moved(self, eqn: Any) -> int:
        """What an operation of its own reads and writes (of an update or a slice, that part)."""
        name, (first, *others) = eqn.primitive.name, eqn.invars
        written = sum(size for size in map(_nbytes, eqn.outvars) if size > CACHE)
        for var in eqn.outvars:
            self._is_array(var)
        if name in CALLS:
            return 0  # its own operations do
        if name == "dynamic_update_slice":
            own = _nbytes(others[0]) if _nbytes(first) > CACHE else 0
            return own + sum(self._from(others).values())
        if name in ("dynamic_slice", "gather"):
            return written + (_nbytes(eqn.outvars[0]) if _nbytes(first) > CACHE else 0)
        return written + sum(self._from(eqn.invars).values())

    def of_results(self, jaxpr: Any) -> int:
        """To compute and write the element-wise ones of the results."""
        fused = [var for var in jaxpr.outvars if id(var) not in self._sources.get(id(var), {})]
        return sum(self._from(fused).values()) + sum(size for size in map(_nbytes, fused) if size > CACHE)


def _alone(eqn: Any) -> Work:
    """What an operation without a program inside computes."""
    name, out = eqn.primitive.name, eqn.outvars[0].aval
    if name in FREE or not hasattr(out, "dtype"):
        return Work()
    words = _size(eqn.outvars[0]) * out.dtype.itemsize / WORD
    if name == "dot_general":
        (contracted, _), _ = eqn.params["dimension_numbers"]
        return Work(floats=math.prod(eqn.invars[0].aval.shape[axis] for axis in contracted) * _size(eqn.outvars[0]))
    if name.startswith("reduce"):
        return Work(words=sum(map(_nbytes, eqn.invars)) / WORD)
    if name == "sort":
        return Work(words=words * len(eqn.outvars) * math.log2(max(out.shape[eqn.params["dimension"]], 2)))
    if name in KERNELS:
        return Work()
    is_product = name == "mul" and out.dtype.itemsize == WORD and out.dtype.kind in "ui"
    return Work(products=words) if is_product else Work(words=words)


def _parts(eqn: Any) -> Iterator[tuple[Any, float]]:
    """The programs inside an operation and how often each runs; of a branch the last, of platforms the one that is here."""
    name, params = eqn.primitive.name, eqn.params
    if name == "scan":
        yield _inner(params["jaxpr"]), params["length"]
    elif name == "cond":
        branches, platforms = params["branches"], params.get("branches_platforms")
        yield _inner(branches[_here(platforms) if platforms else -1]), 1
    elif name not in ("while", "reduce", "reduce_window", "sort", "scatter", "scatter-add"):
        for value in params.values():
            inner = _inner(value)
            if hasattr(inner, "eqns"):
                yield inner, 1


def _here(platforms: Any) -> int:
    """The branch of `jax.lax.platform_dependent` that the default device takes."""
    here = jax.default_backend()
    named = [place for place, names in enumerate(platforms) if names and here in names]
    return named[0] if named else len(platforms) - 1


def _inner(closed: Any) -> Any:
    return getattr(closed, "jaxpr", closed)


def _size(var: Any) -> int:
    return math.prod(getattr(var.aval, "shape", ()))


def _nbytes(var: Any) -> int:
    dtype = getattr(var.aval, "dtype", None)
    return 0 if dtype is None or not hasattr(dtype, "itemsize") else _size(var) * dtype.itemsize
