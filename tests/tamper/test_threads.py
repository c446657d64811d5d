"""One thread a party: equivocation, parties that stop or hang, wrong shares to one receiver; nobody disagrees."""

from __future__ import annotations

import time

import pytest

from tests.tamper import threads


def test_an_honest_run_is_right() -> None:
    assert threads.fate(threads.play(), corrupt=-1) == "right"


def test_equivocation_stops_all_honest_parties() -> None:
    """Another copy of a broadcast for one receiver, for every broadcast: nobody honest goes on, by the echo."""
    broadcasts = threads.labels("copies")
    assert len(broadcasts) > 5
    for k, label in enumerate(broadcasts):
        corrupt = k % threads.SCHEME.parties
        outcomes = threads.play({corrupt: threads.shifted(label, "copies", (corrupt + 1) % 3)})
        assert threads.fate(outcomes, corrupt) == "abort", label
        assert {outcomes[party].check for party in range(3) if party != corrupt} == {"echo"}, label


def test_a_wrong_share_to_one_receiver_is_caught() -> None:
    """In every exchange, to every receiver; harmless only where what the receiver gets is padding."""
    fates = []
    for k, label in enumerate(threads.labels("exchange")):
        corrupt = k % threads.SCHEME.parties
        for receiver in range(threads.SCHEME.parties):
            outcomes = threads.play({corrupt: threads.shifted(label, "exchange", receiver)})
            fates.append(threads.fate(outcomes, corrupt))
            assert fates[-1] in ("abort", "right"), (label, receiver, fates[-1])
    assert fates.count("abort") > 3 * fates.count("right")


@pytest.mark.long
def test_the_same_lie_to_all_is_caught() -> None:
    """In every broadcast, by every party; harmless only where what a king tells is padding."""
    for label in threads.labels("broadcast"):
        fates = []
        for corrupt in range(threads.SCHEME.parties):
            outcomes = threads.play({corrupt: threads.shifted(label, "broadcast", ...)})
            fates.append(threads.fate(outcomes, corrupt))
        harmless = 1 if label.endswith("from king") else 0
        assert set(fates) <= {"abort", "right"} and fates.count("right") <= harmless, (label, fates)


@pytest.mark.parametrize("number", [0, 2, 5])
def test_a_party_that_stops_aborts_the_others(number: int) -> None:
    outcomes = threads.play({1: threads.at_message(number, threads.crash)})
    assert isinstance(outcomes[1], ConnectionError)
    assert threads.fate(outcomes, corrupt=1) == "abort"


def test_a_silent_party_is_not_waited_for_beyond_the_deadline() -> None:
    threads.play()  # compile first, so that only the wait takes time
    before, running = time.monotonic(), threads.alive()
    outcomes = threads.play({1: threads.at_message(2, threads.hang(3.0))}, deadline=1.0)
    assert threads.fate(outcomes, corrupt=1) == "abort"
    assert time.monotonic() - before < 30
    assert threads.alive() == running


@pytest.mark.long
def test_stopping_after_seeing_the_opening_takes_nothing_from_the_others() -> None:
    """A party that leaves once it has seen the output has sent its share by then: the others have theirs."""
    for leaver in (0, 1, 2) * 4:
        outcomes = threads.play(leaver=leaver)
        assert isinstance(outcomes[leaver], ConnectionError)
        assert threads.fate(outcomes, corrupt=leaver) == "right"
