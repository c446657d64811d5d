"""A rule that cannot run on secrets: the error names the rule, its author's line and what to do."""

from __future__ import annotations

import dataclasses
import linecache
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
import mpcjax.secret as ms
from mpcjax.certificates import Norm
from mpcjax.errors import BoundError, OrderError
from mpcjax.protocols import open_many, open_now, open_output
from mpcjax.rules import Public

pytestmark = pytest.mark.user
COMMITTEE = mpcjax.simulate(parties=3)


@dataclasses.dataclass(frozen=True)
class Own(mpcjax.Rule):
    body: Callable[[Any, Public], Any]
    name = "own"

    def certificate(self, peers: int) -> Norm:
        return Norm(1.0, peers)

    def combine(self, messages: Any, public: Public) -> Any:
        return self.body(messages, public)


@dataclasses.dataclass(frozen=True)
class Weighted(mpcjax.Rule):
    name = "weighted"

    def certificate(self, peers: int) -> Norm:
        return Norm(1.0, peers)

    def score(self, messages: Any, public: Public) -> Any:
        return (messages**2).sum(axis=1)

    def weigh(self, scores: Any, public: Public) -> Any:
        return scores if scores.sum() else -scores  # HERE


def branches(messages: Any, public: Public) -> Any:
    if messages[0, 0] > 0:  # HERE
        return messages[0]
    return messages[1]


def loops(messages: Any, public: Public) -> Any:
    while messages.sum() > 0:  # HERE
        messages = messages - 1
    return messages[0]


def counts(messages: Any, public: Public) -> Any:
    return messages[: int(ms.max(messages))].sum(axis=0)  # HERE


def floats(messages: Any, public: Public) -> Any:
    return messages[0] * float(messages[0, 0])  # HERE


def iterates(messages: Any, public: Public) -> Any:
    return sum(row for row in messages)  # HERE


def numpy_array(messages: Any, public: Public) -> Any:
    return np.asarray(messages)[0]  # HERE


def numpy_function(messages: Any, public: Public) -> Any:
    return np.median(messages, axis=0)  # HERE


def jax_function(messages: Any, public: Public) -> Any:
    return jnp.median(messages, axis=0)  # HERE


def jax_reduction(messages: Any, public: Public) -> Any:
    return jnp.max(messages, axis=0)  # HERE


def jax_choice(messages: Any, public: Public) -> Any:
    return jnp.where(messages > 0, messages, 0)[0]  # HERE


@jax.jit
def mask(row: Any) -> Any:  # not what is called so in mpcjax.secret
    return row * 2


def own_function(messages: Any, public: Public) -> Any:
    return mask(messages)[0]  # HERE


def jax_array(messages: Any, public: Public) -> Any:
    return jnp.asarray(messages)[0]  # HERE


def jax_transformation(messages: Any, public: Public) -> Any:
    return jax.vmap(lambda row: row * 2)(messages)[0]  # HERE


def jax_condition(messages: Any, public: Public) -> Any:
    return jax.lax.cond(messages[0, 0] > 0, lambda: messages[0], lambda: messages[1])  # HERE


def within_jax(messages: Any, public: Public) -> Any:
    def step(_: Any, total: Any) -> Any:
        return total + int(messages[0, 0])  # HERE

    return jax.lax.fori_loop(0, 3, step, 0)


def traced_number(messages: Any, public: Public) -> Any:
    return (public.weights @ messages) / 2  # HERE


def branches_on_public(messages: Any, public: Public) -> Any:
    return messages[0] if public.weights[0] > 0 else messages[1]  # HERE


def unbounded(messages: Any, public: Public) -> Any:
    return messages[0] ** 90  # HERE


def wrong_axes(messages: Any, public: Public) -> Any:
    return messages + messages[:, 0]  # HERE


def out_of_range(messages: Any, public: Public) -> Any:
    return messages[len(messages)]  # HERE


def secret_index(messages: Any, public: Public) -> Any:
    return messages[ms.argmax(messages[:, 0])]  # HERE


def traced_index(messages: Any, public: Public) -> Any:
    return messages[public.accepted]  # HERE


def peeks(messages: Any, public: Public) -> Any:
    open_many(messages.rt, messages.shares, "peek", output=True)  # HERE
    return messages[0]


def peeks_now(messages: Any, public: Public) -> Any:
    open_now(messages.rt, messages[0].shares, "peek", output=True)  # HERE
    return messages[0]


def peeks_whole(messages: Any, public: Public) -> Any:
    open_output(messages.rt, messages[0].shares, "peek")  # HERE
    return messages[0]


WRONG = {
    branches: (TypeError, "no truth value.*where"),
    loops: (TypeError, "no truth value.*where"),
    counts: (TypeError, "no index or count|an int.*where"),
    floats: (TypeError, r"a float.*Rule\.finish"),
    iterates: (TypeError, "iteration.*operators"),
    numpy_array: (TypeError, "no value.*mpcjax.secret"),
    numpy_function: (TypeError, r"numpy\.median.*use mpcjax\.secret\.median"),
    jax_function: (TypeError, r"do not take secrets: use mpcjax\.secret\.median\n"),
    jax_reduction: (TypeError, r"do not take secrets: use mpcjax\.secret\.max\n"),
    jax_choice: (TypeError, r"do not take secrets: use mpcjax\.secret\.where\n"),
    own_function: (TypeError, "same name in mpcjax.secret, which has .*median"),
    jax_array: (TypeError, "no value.*mpcjax.secret"),
    jax_transformation: (TypeError, "same name in mpcjax.secret, which has .*median"),
    jax_condition: (TypeError, "legal are operators.*where"),
    within_jax: (TypeError, "an int.*where"),
    traced_number: (TypeError, r"public\(x, bits=16, bound=1000.0\)"),
    branches_on_public: (TypeError, "[Tt]race"),
    unbounded: (BoundError, r"2\^.*[Cc]lip or rescale"),
    wrong_axes: (ValueError, r"shapes \(4, 6\) and \(4,\).*x\[:, None\]"),
    out_of_range: (IndexError, "out of bounds"),
    secret_index: (TypeError, "argmax"),
    traced_index: (TypeError, "not known while tracing.*mask or weights"),
    peeks: (OrderError, "'peek' would open within.*Rule.finish"),
    peeks_now: (OrderError, "'peek' would open within.*Rule.finish"),
    peeks_whole: (OrderError, "'peek' would open within.*Rule.finish"),
}


def line_of(text: str, body: Any) -> tuple[int, str]:
    """Number and source of the line marked in `body`."""
    first = body.__code__.co_firstlineno
    number = next(k for k in range(first, first + 20) if "# HERE" in linecache.getline(__file__, k))
    return number, linecache.getline(__file__, number).strip()


@pytest.mark.parametrize("body", WRONG, ids=lambda body: body.__name__)
def test_the_error_names_rule_line_and_remedy(body: Any) -> None:
    kind, remedy = WRONG[body]
    number, source = line_of(__file__, body)
    with pytest.raises(kind, match=f"(?s){remedy}") as caught:
        mpcjax.estimate(Own(body), 6, peers=4, committee=COMMITTEE)
    assert str(caught.value).startswith(f"rule 'own', combine on secrets, {__file__}:{number} `{source}`: ")


def test_scores_and_weights_too() -> None:
    number, source = line_of(__file__, Weighted.weigh)
    with pytest.raises(TypeError, match=re.escape(f"{__file__}:{number} `{source}`: ") + ".*truth value"):
        mpcjax.estimate(Weighted(), 6, peers=4, committee=COMMITTEE)


def test_a_wrong_result_names_the_rule() -> None:
    for body in (lambda messages, public: messages, lambda messages, public: messages[0, :3], lambda *_: jnp.ones(6)):
        with pytest.raises(ValueError, match=r"rule 'own': combine returned .*must return a Secret of shape \(6,\)"):
            mpcjax.estimate(Own(body), 6, peers=4, committee=COMMITTEE)


@pytest.mark.parametrize("found", [None, 1.0])
def test_a_certificate_that_is_none_names_the_rule(found: Any) -> None:
    class Uncertain(Own):
        def certificate(self, peers: int) -> Any:
            return found

    with pytest.raises(TypeError, match=f"rule 'own': certificate returned {found}; legal are certificates"):
        mpcjax.estimate(Uncertain(lambda messages, _: messages[0]), 6, peers=4, committee=COMMITTEE)


def test_an_error_of_the_rule_itself_keeps_its_type() -> None:
    class Mine(RuntimeError):
        pass

    def raises(messages: Any, public: Public) -> Any:
        raise Mine("too few peers")

    with pytest.raises(Mine, match=r"rule 'own', combine on secrets, .*: too few peers"):
        mpcjax.estimate(Own(raises), 6, peers=4, committee=COMMITTEE)


def test_the_plain_rule_is_left_alone() -> None:
    assert Own(branches).plain(jnp.ones((4, 6))).shape == (6,)


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("certificate", lambda self: Norm(1.0, 5)),
        ("message_length", lambda self: 3),
        ("local", lambda self, update, public: update),
        ("combine", lambda self, messages: messages.sum(0)),
        ("score", lambda self, messages: messages),
        ("weigh", lambda self, scores, public, more: scores),
        ("settle", lambda self, total: total),
        ("finish", lambda self, combined, *, public: combined),
        ("plain", lambda self, updates: updates.sum(0)),
    ],
)
def test_a_part_that_takes_other_arguments_is_refused_where_it_is_written(part: str, wrong: Any) -> None:
    with pytest.raises(TypeError, match=rf"rule Wrong: {part}\(self.*\); legal is {part}\(self, "):
        type("Wrong", (Own,), {part: wrong})


@pytest.mark.parametrize("combine", [lambda self, x, y: x, lambda self, *given: given[0], lambda self, x, y, z=0: x])
def test_by_whatever_names_it_takes_them(combine: Any) -> None:
    assert type("Right", (Own,), {"combine": combine}).combine is combine


def test_a_plain_run_without_the_reference_says_how_to_give_one() -> None:
    with pytest.raises(ValueError, match=r"rule 'fltrust' needs a reference.*Public.of\(.*reference=\.\.\.\)"):
        mpcjax.rules.fltrust().plain(np.ones((3, 2), np.float32))
