"""Programs cut at their marks do what they did in one piece, and every process cuts them alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.fabric import Cut, Mark
from mpcjax.fabric.cut import mark_p
from mpcjax.segments import Outside, Traced
from mpcjax.segments.cutting import CHEAP
from mpcjax.segments.steps import Segment

Send = Callable[[Any, str], Any]
X = np.arange(6.0)


def answer(x: Any) -> Any:
    """What comes back at a mark: something else, so that it matters when it comes."""
    return 2 * x + 1


def mark(x: Any, label: str, kind: str = "exchange", to: tuple[int, int] = (0, 0)) -> Any:
    return mark_p.bind(x, mark=Mark(kind, "phase", label, to=to), out=((x.shape, x.dtype),))[0]


def directly(x: Any, label: str, kind: str = "") -> Any:
    return answer(x)


class Post(Outside):
    """Answers, and notes what was handed over where."""

    def __init__(self) -> None:
        self.met: dict[str, Any] = {}

    def meet(self, mark: Mark, step: str, due: Any, *x: Any) -> Any:
        name = mark.label + step
        assert name not in self.met, f"{name} twice"
        self.met[name] = [np.asarray(part) for part in x]
        if due is None:
            return None
        assert all(part.shape == due.shape and part.dtype == due.dtype for part in x)
        return answer(x[0]) if x else jnp.full(due.shape, 7, due.dtype)


def straight(x: Any, send: Send) -> Any:
    a = send(jnp.sin(x), "a")
    b = send(a * x, "b")
    return {"sum": a + b, "given": x, "number": 3}


def looping(x: Any, send: Send) -> Any:
    def turn(carry: Any, row: Any) -> Any:
        carry = send(carry * row, "in")
        return carry, carry[:2] - row

    end, rows = jax.lax.scan(turn, x, jnp.arange(1.0, 4.0))
    return send(end, "after"), rows


def nested(x: Any, send: Send) -> Any:
    def inner(carry: Any, _: Any) -> Any:
        return send(carry + 1, "deep"), None

    def outer(carry: Any, row: Any) -> Any:
        carry, _ = jax.lax.scan(inner, carry * row, None, length=2)
        return send(carry, "shallow"), carry.sum()

    return jax.lax.scan(outer, x, jnp.arange(3.0))


def silent_loop(x: Any, send: Send) -> Any:
    end, _ = jax.lax.scan(lambda c, _: (jnp.cos(c), None), send(x, "before"), None, length=5)
    return end


FUNCTIONS = (straight, looping, nested, silent_loop)


def traced(function: Callable[..., Any]) -> Traced:
    return Traced(lambda x: function(x, mark), X)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_result_is_that_of_one_piece(function: Any) -> None:
    found, right = traced(function).run(Post(), X), function(X, directly)
    assert jax.tree.structure(found) == jax.tree.structure(right)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_names_in_loops_are_unique_and_tell_the_turn() -> None:
    post = Post()
    traced(looping).run(post, X)
    assert list(post.met) == ["in.0", "in.1", "in.2", "after"]
    post = Post()
    traced(nested).run(post, X)
    turns = [[f"deep.{k}.0", f"deep.{k}.1", f"shallow.{k}"] for k in range(3)]
    assert list(post.met) == [name for turn in turns for name in turn]


def test_what_comes_in_is_handed_on_in_the_order_of_the_program() -> None:
    post = Post()
    traced(straight).run(post, X)
    np.testing.assert_allclose(post.met["a"][0], np.sin(X))
    np.testing.assert_allclose(post.met["b"][0], answer(np.sin(X)) * X)


def test_what_is_cheap_is_computed_where_it_is_used() -> None:
    """An index range that two segments use goes from none to the other, and neither is kept in between."""

    def function(x: Any, send: Send) -> Any:
        places = jax.lax.iota(np.float64, 6)
        return send(send(x * places, "a") + places, "b") * places

    segments = list(traced(function).of_member.segments())
    made = [eqn.primitive.name for segment in segments for eqn in segment.equations]
    assert made.count("iota") == 3
    for segment in segments:
        cheap = {v for eqn in segment.equations if eqn.primitive.name in CHEAP for v in eqn.outvars}
        assert not cheap & set(segment.kept) and not cheap & set(segment.given)


def test_what_nobody_needs_is_not_computed() -> None:
    def function(x: Any, send: Send) -> Any:
        a = send(x, "a")
        b = send(a + 1, "b")
        jnp.tan(jnp.exp(b))
        return a

    program = traced(function).of_member
    names = {eqn.primitive.name for segment in program.segments() for eqn in segment.equations}
    assert "exp" not in names and "tan" not in names and [m.label for m in program.marks()] == ["a", "b"]
    assert not isinstance(program.steps[-1], Segment)


def test_arrays_are_let_go_after_their_last_use() -> None:
    program = traced(straight).of_member
    spent = {v for group in program.spent for v in group}
    kept = {v for step in program.steps if isinstance(step, Segment) for v in step.kept}
    assert all(any(v is result for result in program.results) for v in kept - spent)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_process_compiles_the_same(function: Any) -> None:
    """Traced again: the same text of every segment, arguments in the same order. Else no cache would find them."""

    def texts() -> list[str]:
        found = []
        for segment in traced(function).of_member.segments():
            shapes = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in segment.given]
            found.append(segment.function.lower(*shapes).as_text())
        return found

    assert texts() == texts() != []


def test_compiled_ahead_is_the_same() -> None:
    one = traced(looping)
    for segment in one.of_member.segments():
        segment.compile()
    np.testing.assert_allclose(one.run(Post(), X)[0], looping(X, directly)[0])


# what a peer without a seat runs


def dealing(x: Any) -> Any:
    """Deals, sees what members opened, is told a coin, deals something made of it; members go on."""
    got = mark(jnp.sin(x), "first", "peers", (0, 3))
    coin = mark(mark(got * 5, "opened", "broadcast"), "coin", "told")
    answered = mark(jnp.cos(x) * coin, "second", "peers", (0, 3))
    return mark(answered + got, "last")


def test_a_peer_deals_and_is_told_and_no_more() -> None:
    post, one = Post(), Traced(dealing, X)
    one.run_as_peer(post, X)
    assert list(post.met) == ["first", "coin", "second"] and post.met["coin"] == []
    np.testing.assert_allclose(post.met["second"][0], np.cos(X) * 7)
    assert [m.label for m in one.of_member.marks()] == ["first", "opened", "coin", "second", "last"]


def _within(loop: Callable[[Any, Any], Any], sends: str) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        inside = loop(lambda c: mark(c, "inside", sends, (0, 3)), x)
        return mark(inside, "dealt", "peers", (0, 3)) if sends == "exchange" else inside

    return function


def _scanned(body: Any, x: Any) -> Any:
    return jax.lax.scan(lambda c, _: (body(c), None), x, None, length=2)[0]


@pytest.mark.parametrize("kind", ["exchange", "broadcast", "peers", "said", "shown"])
def test_a_peer_cannot_deal_what_only_members_know(kind: str) -> None:
    with pytest.raises(NotImplementedError, match="only members see"):
        Traced(lambda x: mark(mark(x, "secret", kind), "dealt", "peers"), X)


@pytest.mark.parametrize("sends", ["exchange", "peers", "said"])
def test_a_peer_runs_no_loop_with_messages(sends: str) -> None:
    """Neither to deal what comes of it nor to deal in it: it would wait for members, or leave out what is due."""
    with pytest.raises(NotImplementedError, match="'scan'"):
        Traced(_within(_scanned, sends), X)


# where no message may stand


def _reversed(body: Any, x: Any) -> Any:
    return jax.lax.scan(lambda c, _: (body(c), None), x, None, length=2, reverse=True)[0]


REFUSED = {
    "while": lambda body, x: jax.lax.while_loop(lambda c: c.sum() < 9, body, x),
    "cond": lambda body, x: jax.lax.cond(x.sum() > 0, body, lambda c: c, x),
    "jit": lambda body, x: jax.jit(body)(x),
    "scan": _reversed,
}


@pytest.mark.parametrize("name", REFUSED)
def test_messages_within_other_control_flow_are_refused(name: str) -> None:
    """Whether they are sent would depend on values that others do not see; the error says what is legal."""
    with pytest.raises(NotImplementedError, match=rf"within '{name}'|within 'pjit'") as error:
        Traced(lambda x: REFUSED[name](lambda c: mark(c, "inside"), x), X)
    assert "legal are scans" in str(error.value)


def test_the_fabric_leaves_marks_that_say_what_they_are() -> None:
    """Everything protocol code may ask of the network, at a seat that is traced."""

    def function(seat: Any, x: Any) -> Any:
        fabric = Cut(3, 4, seat)
        fabric.ledger.phase = "phase"
        every = fabric.broadcast(x, "all")
        fabric.require("opening", jnp.all(every >= 0))
        own = fabric.exchange(jnp.broadcast_to(x[:, None], (1, 3, 2)), "each")
        dealt = fabric.from_peers(jnp.broadcast_to(x[None], (3, 1, 2)), "dealt")
        present, said = fabric.roll_call(jnp.ones((1, 2), bool), "roll call")
        return fabric.told(every), own, dealt, present, said

    one = Traced(function, np.zeros(1, np.int32), np.ones((1, 2)))
    kinds = [(m.kind, m.label) for m in one.of_member.marks()]
    assert kinds == [
        ("broadcast", "all"),
        ("check", "opening"),
        ("exchange", "each"),
        ("peers", "dealt"),
        ("said", "roll call"),
        ("told", "told#1"),
    ]
    assert [part.shape for part in one.result] == [(3, 2), (1, 3, 2), (1, 4, 2), (4,), (4, 2)]
    assert [m.label for m in one.of_peer.marks()] == ["dealt", "roll call"]
