"""Members and strangers that send anything: a clear error, bounded memory, and the channels of the others go on."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
import socket
import ssl
import struct
import threading
import time

import numpy as np
import pytest

from mpcjax.net import Gone, Kind, Malformed, Silent
from mpcjax.net import config as configs
from mpcjax.net.faults import note
from mpcjax.net.flow import NOTICE, NOTICE_BYTES
from mpcjax.net.frame import VERSION, Frame, control, encode
from mpcjax.net.greeting import Greeting
from mpcjax.net.identity import create
from mpcjax.net.inbox import LAST
from mpcjax.net.tls import context
from tests.net._consortium import LIMITS, SOON, data, due, until


def numbered(*given: Frame) -> list[Frame]:
    return [dataclasses.replace(frame, sequence=i) for i, frame in enumerate(given, 1)]


def others_go_on(b, c) -> None:
    assert b.wait_connected(["c"]) and "c" in b.connected()
    c.send("b", data("still"))
    b.receive("c", **due("still"))


REFUSED = ("SSLError", "SSLEOFError", "SSLZeroReturnError", "ConnectionResetError", "ended")


def bare(config, to: int, made: ssl.SSLContext) -> str:
    """What a TLS client of this kind is told by peer `to`: the name of an error, or "connected"."""
    with socket.create_connection((config.peers[to].host, config.peers[to].port), timeout=SOON) as plain:
        try:
            with made.wrap_socket(plain) as secured:
                secured.sendall(b"".join(encode(Greeting(config.agreement(), *config.digests(), b"m" * 16).frame())))
                return "connected" if secured.recv(1) else "ended"
        except (ssl.SSLError, ConnectionError) as error:
            return type(error).__name__


def test_only_the_consortiums_certificates_come_in(consortium, tmp_path):
    config = consortium.config(0)
    b = consortium.channels(1)
    assert bare(config, 1, context(config, config.identity(), server=False)) == "connected"
    create("a", tmp_path / "false.key", tmp_path / "false.crt")  # the same name, another key
    stranger = dataclasses.replace(
        config.identity(), key_path=tmp_path / "false.key", certificate_path=tmp_path / "false.crt"
    )
    assert bare(config, 1, context(config, stranger, server=False)) in REFUSED
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
    assert bare(config, 1, nobody) in REFUSED
    until(lambda: b.connected() == [])


def test_every_connection_shows_a_certificate(consortium):
    config = consortium.config(0)
    for server in (True, False):
        made = context(config, config.identity(), server=server)
        assert made.verify_mode is ssl.CERT_REQUIRED
        assert made.minimum_version is made.maximum_version is ssl.TLSVersion.TLSv1_3
    assert context(config, config.identity(), server=True).num_tickets == 0


def test_a_member_cannot_bring_in_others(consortium, tmp_path):
    """A certificate that a's key signed for another key is nobody's."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    config = consortium.config(0)
    consortium.channels(1)
    own = x509.load_der_x509_certificate(config.me.certificate.der)
    key = Ed25519PrivateKey.generate()
    issued = (
        x509.CertificateBuilder(own.subject, x509.Name([]), key.public_key(), 5)
        .not_valid_before(own.not_valid_before_utc.replace(tzinfo=None))
        .not_valid_after(own.not_valid_after_utc.replace(tzinfo=None))
        .sign(config.identity().key, None)
    )
    pem = issued.public_bytes(Encoding.PEM) + own.public_bytes(Encoding.PEM)
    (tmp_path / "issued.crt").write_bytes(pem)
    (tmp_path / "issued.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    made = dataclasses.replace(
        config.identity(), key_path=tmp_path / "issued.key", certificate_path=tmp_path / "issued.crt"
    )
    assert bare(config, 1, context(config, made, server=False)) in REFUSED


def test_older_tls_is_refused_both_ways(consortium):
    config = consortium.config(0)
    consortium.channels(1)
    older = context(config, config.identity(), server=False)
    older.minimum_version, older.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
    assert bare(config, 1, older) in REFUSED
    c = consortium.config(2)
    server = context(c, c.identity(), server=True)
    server.minimum_version, server.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
    listener = consortium.listeners[2]
    listener.settimeout(SOON)
    for _ in range(2):  # b dials c, again and again
        plain, _ = listener.accept()
        with plain, pytest.raises((ssl.SSLError, ConnectionError)):
            server.wrap_socket(plain, server_side=True)


def test_another_member_at_the_address_is_not_taken_for_the_peer(consortium, caplog):
    caplog.set_level(logging.INFO, "mpcjax.net")
    consortium.ports[1:] = consortium.ports[:0:-1]  # a believes that b is where c is
    a_config = consortium.config(0)
    consortium.ports[1:] = consortium.ports[:0:-1]
    a = consortium.channels(0, a_config)
    _, c = consortium.channels(1), consortium.channels(2)
    until(lambda: "event=other peer=b index=2" in caplog.text and "event=other peer=c index=1" in caplog.text)
    assert a.connected() == [] and "a" not in c.connected()


def test_the_smaller_index_dials(consortium):
    consortium.channels(0)
    with pytest.raises((EOFError, ConnectionError, ssl.SSLError)):
        consortium.rogue(consortium.config(1), 0)


def test_other_parameters_are_refused_with_a_reason_on_both_sides(consortium):
    a, b, c = consortium.channels(0), consortium.channels(1), consortium.channels(2, run=dict(rule="rsa"))
    assert b.wait_connected(["a"]) == ["a"]
    for one, other in ((a, "c"), (b, "c"), (c, "a"), (c, "b")):
        until(lambda one=one, other=other: other in one.refusals())
        assert "the configurations differ in [run]" in one.refusals()[other]
    assert c.connected() == [] and "c" not in b.connected()
    with pytest.raises(Gone):
        b.receive("c", **due(seconds=0.05))


def test_other_members_are_refused_with_a_reason(consortium):
    values = consortium.values(1)
    values["consortium"]["name"] = "others"
    b = consortium.channels(1, configs.parse(values, consortium.folder))
    a = consortium.channels(0)
    for one, other in ((a, "b"), (b, "a")):
        until(lambda one=one, other=other: other in one.refusals())
        assert "differ in [consortium]" in one.refusals()[other]


def test_a_reason_from_outside_forges_no_line(consortium, caplog):
    caplog.set_level(logging.INFO, "mpcjax.net")
    b = consortium.channels(1)
    rogue = consortium.rogue(consortium.config(0), 1)
    rogue.send(control(Kind.REFUSE, b"go\nevent=connected peer=z"))
    until(b.refusals)
    assert b.refusals() == {"a": "it says: go?event=connected peer=z"}
    assert all("\n" not in record.getMessage() for record in caplog.records)


BROKEN = {  # and what the log says of it
    "garbage": (b"GET / HTTP/1.1\r\nHost: example\r\n\r\n", "magic is"),
    "too long": (
        struct.pack("<4s4BIHHQQ", b"MPCX", VERSION, 2, 1, 1, 1, 0, 0, 1, LIMITS["frame_bytes"] + 1),
        f"bytes of payload is {LIMITS['frame_bytes'] + 1}",
    ),
    "enormous": (struct.pack("<4s4BIHHQQ", b"MPCX", VERSION, 2, 1, 1, 1, 0, 0, 1, 1 << 63), "bytes of payload is 9223"),
    "no product": (struct.pack("<4s4BIHHQQQ", b"MPCX", VERSION, 2, 1, 1, 1, 0, 0, 1, 8, 9), "payload of (9,) uint8"),
    "greeting again": (b"".join(encode(control(Kind.HELLO, bytes(136)))), "is a HELLO"),
    "unsent acknowledged": (b"".join(encode(control(Kind.ACK, sequence=5))), "acknowledged sequence is 5"),
    "bad bool": (struct.pack("<4s4BIHHQQQB", b"MPCX", VERSION, 2, 7, 1, 1, 0, 0, 1, 1, 1, 2), "a byte of a bool array"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_frames_end_that_channel_only(consortium, caplog, what):
    caplog.set_level(logging.INFO, "mpcjax.net")
    sent, why = BROKEN[what]
    b, c = consortium.channels(1), consortium.channels(2)
    rogue = consortium.rogue(consortium.config(0), 1)
    until(lambda: "a" in b.connected())
    rogue.write(sent)
    assert rogue.hung_up()
    until(lambda: "a" not in b.connected())
    assert b.faults("a") == {"frame": 1} and why in caplog.text
    others_go_on(b, c)
    with pytest.raises(Gone, match="'a'"):
        b.receive("a", **due(seconds=0.05))
    consortium.rogue(consortium.config(0), 1, memory=b"n" * 16)  # and may come back
    until(lambda: "a" in b.connected())


@pytest.mark.parametrize(
    "greeting", [control(Kind.HELLO, bytes(135)), control(Kind.BYE, bytes(136)), data(), control(Kind.HELLO, b"")]
)
def test_broken_greetings(consortium, greeting):
    class Odd(Greeting):
        def frame(self):
            return greeting

    b = consortium.channels(1)
    config = consortium.config(0)
    with pytest.raises((EOFError, OSError)):
        consortium.rogue(config, 1, Odd(config.agreement(), *config.digests(), bytes(16)))
    until(lambda: b.faults("a") == {"frame": 1})
    assert b.connected() == []


def test_a_greeting_that_has_received_what_was_never_sent(consortium):
    b = consortium.channels(1)
    config = consortium.config(0)
    memory = Greeting.parse(consortium.rogue(config, 1).hello.array.tobytes()).memory
    rogue = consortium.rogue(config, 1, Greeting(config.agreement(), *config.digests(), b"m" * 16, memory, 1 << 40))
    assert rogue.hung_up()
    until(lambda: b.faults("a") == {"frame": 1})


def test_no_greeting_in_time(consortium):
    b = consortium.channels(1, limits=dict(connect_seconds=0.2))
    config = consortium.config(0)
    plain = socket.create_connection(("127.0.0.1", consortium.ports[1]), timeout=SOON)
    with context(config, config.identity(), server=False).wrap_socket(plain) as silent:
        assert silent.recv(4096) == b""  # b waits and hangs up
    assert b.connected() == []


def test_duplicates_and_replays(consortium):
    b, c = consortium.channels(1), consortium.channels(2)
    rogue = consortium.rogue(consortium.config(0), 1)
    one, two, three, four = numbered(data("x"), data("x", array=np.ones((2, 3), np.uint64)), data("y"), data("x"))
    rogue.send(one, two)
    until(lambda: b.faults("a") == {"duplicate": 1})
    assert b.receive("a", **due("x"))[1, 2] == 5  # the first one counts
    rogue.send(three, three, four)
    until(lambda: b.faults("a") == {"duplicate": 2, "replayed": 1})  # also of what was taken already
    b.receive("a", **due("y"))
    rogue.send(dataclasses.replace(data("z"), sequence=2))
    until(lambda: b.faults("a")["replayed"] == 2)
    with pytest.raises(Silent):
        b.receive("a", **due("z", seconds=0.05))
    others_go_on(b, c)


def test_reordered_frames_are_found_by_their_label(consortium):
    b = consortium.channels(1)
    rogue = consortium.rogue(consortium.config(0), 1)
    rogue.send(*numbered(data("x", round=9), data("x", round=2), data("x", round=1)))
    for round in (1, 2, 9):
        b.receive("a", **due("x", round=round))


def test_a_notice_that_is_too_long_ends_that_channel_only(consortium):
    """And is not kept."""
    b, c = consortium.channels(1), consortium.channels(2)
    rogue = consortium.rogue(consortium.config(0), 1)
    with contextlib.suppress(OSError):  # it hangs up while this is being sent
        rogue.send(*numbered(Frame(Kind.DATA, np.zeros(NOTICE_BYTES + 1, np.uint8), round=LAST, label=NOTICE)))
    assert rogue.hung_up() and b._link("a").inbox.used == 0
    others_go_on(b, c)


@pytest.mark.parametrize("array", [np.array(1, np.uint8), np.zeros((2, 2), np.uint8), np.zeros(4, np.uint64)])
def test_a_notice_of_another_form_ends_that_channel_only(consortium, array):
    """And reaches nobody who would stumble over it."""
    b, c = consortium.channels(1), consortium.channels(2)
    heard = []
    b.on_notice(lambda peer, notice: heard.append(notice))
    rogue = consortium.rogue(consortium.config(0), 1)
    rogue.send(*numbered(Frame(Kind.DATA, array, round=LAST, label=NOTICE)))
    assert rogue.hung_up() and not heard and b.faults("a")["frame"] == 1
    others_go_on(b, c)


def test_a_slow_sender_is_named_and_may_finish(consortium):
    b, c = consortium.channels(1), consortium.channels(2)
    rogue = consortium.rogue(consortium.config(0), 1)
    (frame,) = numbered(data(array=np.arange(1000, dtype=np.uint64)))
    wire = b"".join(encode(frame))
    rogue.write(wire[:4000])
    with pytest.raises(Silent, match="peer 'a', message 'x'"):
        b.receive("a", **due(shape=(1000,), seconds=0.2))
    others_go_on(b, c)
    rogue.write(wire[4000:])
    assert b.receive("a", **due(shape=(1000,)))[999] == 999


@pytest.mark.parametrize("size", [0, 100_000])
def test_a_flood_fills_its_inbox_and_no_more(consortium, size):
    consortium.listeners[1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)  # the kernel holds little
    b, c = consortium.channels(1, limits=dict(frame_bytes=1 << 18, inbox_bytes=1 << 19)), consortium.channels(2)
    rogue = consortium.rogue(consortium.config(0), 1)
    rogue.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    inbox, most = b._link("a").inbox, b.config.limits.inbox_bytes
    with flooding(rogue, np.zeros(size, np.uint8)) as sent:
        until(lambda: inbox.used >= most - 102_000)
        until(lambda: held_up(sent))  # b stops reading
        assert inbox.used <= most and len(inbox._frames) * 1024 <= most
        others_go_on(b, c)
        b.receive("a", **due("00000001", dtype="u1", shape=(size,)))
        b.advance(2, 0)  # all of it is over: it is read and dropped
        frames = len(sent)
        until(lambda: len(sent) > frames + 100)
    until(lambda: inbox.used == 0 and b.faults("a").get("stale", 0) >= len(sent) - 1)


@contextlib.contextmanager
def flooding(rogue, array: np.ndarray):
    """Frames with this array for as long as the block lasts, each numbered and labelled; the numbers of those sent so far."""
    sent, enough = [], threading.Event()
    wire = b"".join(encode(data("00000000", array=array)))

    def flood() -> None:
        for sequence in itertools.takewhile(lambda _: not enough.is_set(), itertools.count(1)):
            label = f"{sequence:08d}".encode()
            rogue.write(wire[:16] + struct.pack("<Q", sequence) + wire[24:40] + label + wire[48:])
            sent.append(sequence)

    writer = threading.Thread(target=flood, daemon=True)
    writer.start()
    try:
        yield sent
    finally:
        enough.set()
        writer.join(SOON)


def held_up(sent: list[int]) -> bool:
    frames = len(sent)
    time.sleep(0.3)
    return len(sent) == frames


def test_who_does_not_read_loses_its_frames_and_holds_nobody_up(consortium):
    b, c = consortium.channels(1), consortium.channels(2)
    rogue = consortium.rogue(consortium.config(0), 1)  # never reads again
    until(lambda: "a" in b.connected() and "c" in b.connected())
    start, array, most = time.monotonic(), np.zeros(1 << 17, np.uint64), b.config.limits.queue_bytes
    outbox = b._link("a").outbox
    for i in range(64):
        b.send("a", data(f"{i}", array=array))
        assert outbox.used <= most
    assert time.monotonic() - start < 5
    until(lambda: "a" not in b.connected())
    assert b.faults("a")["overflow"] >= 1
    assert rogue.hung_up()
    others_go_on(b, c)


def test_a_second_connection_replaces_the_first(consortium):
    b = consortium.channels(1)
    config = consortium.config(0)
    first = consortium.rogue(config, 1)
    first.send(*numbered(data("x")))
    first.acknowledged()
    second = consortium.rogue(config, 1)
    assert Greeting.parse(second.hello.array.tobytes()).received == 1
    assert first.hung_up()
    second.send(dataclasses.replace(data("y"), sequence=2))
    b.receive("a", **due("y"))
    b.receive("a", **due("x"))


def test_who_only_knocks_disturbs_no_session(consortium, caplog):
    caplog.set_level(logging.INFO, "mpcjax.net")
    a, b, _ = consortium.all(limits=dict(connect_seconds=SOON))
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        knocking = [stack.enter_context(knock(consortium.config(0), 1)) for _ in range(5)]
        assert knocking[4].recv(1) == b""  # one too many, while the others are waited for
        assert time.monotonic() - start < SOON / 2
        a.send("b", data())
        b.receive("a", **due())
    assert "disconnected" not in caplog.text and b.faults("a") == {}


@contextlib.contextmanager
def knock(config, to: int):
    """A connection that says nothing, and that the other side has taken note of."""
    plain = socket.create_connection((config.peers[to].host, config.peers[to].port), timeout=SOON)
    with context(config, config.identity(), server=False).wrap_socket(plain) as secured:
        yield secured


def test_strangers_that_say_nothing_make_peers_wait_and_no_more(consortium):
    b = consortium.channels(1, limits=dict(connect_seconds=0.3))
    crowd = [socket.create_connection(("127.0.0.1", consortium.ports[1])) for _ in range(100)]
    consortium.channels(0)
    assert b.wait_connected(["a"]) == ["a"]
    for stranger in crowd:
        stranger.close()


def test_logs_hold_no_payload(consortium, caplog):
    caplog.set_level(logging.DEBUG, "mpcjax.net")
    a, b, _ = consortium.all()
    secret = np.frombuffer(b"very secret share", np.uint8)
    a.send("b", data("s", array=secret))
    with pytest.raises(Malformed):
        b.receive("a", **due("s"))
    a.close()
    until(lambda: "a" not in b.connected())
    assert "secret share" not in caplog.text and str(secret[0]) + ", " not in caplog.text
    assert all(record.getMessage().startswith("event=") for record in caplog.records)


def test_log_values_cannot_forge_keys(caplog):
    caplog.set_level(logging.INFO, "mpcjax.net")
    note(logging.INFO, "test", label="x event=y\n", peer="a", empty="")
    assert caplog.records[0].getMessage() == 'event=test label="x event=y\\n" peer=a empty=""'
