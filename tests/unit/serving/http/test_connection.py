"""How a connection lives: order, back-pressure, deadlines, age, limits and the end."""

import contextlib
import dataclasses
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from modelmoor_server.http.limits import Limits
from modelmoor_server.http.message import Response
from unit.serving.http.harness import LAST, Running, answers, read_all, read_answer, running

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
QUICK = Limits(
    head_seconds=0.3,
    body_grace_seconds=0.3,
    idle_seconds=0.6,
    write_seconds=0.5,
    linger_seconds=0.3,
    sweep_seconds=0.02,
)


@pytest.fixture(scope="module")
def quick() -> Iterator[Running]:
    """A server whose patience is short."""
    with running(QUICK) as started:
        yield started


def test_kept_connection_answers_again(server: Running) -> None:
    """A connection is kept between requests, and nothing in the answer says otherwise."""
    with server.connect() as sock:
        for _ in range(3):
            sock.sendall(GET)
            answer = read_answer(sock)

            assert answer.status == 200
            assert "connection" not in answer.headers


def test_a_head_that_comes_again_leads_to_the_same_and_its_body_is_new(server: Running) -> None:
    """However the bytes come: whole, in pieces, two at once, with another head in between, with credentials."""

    def post(body: bytes, more: bytes = b"") -> bytes:
        return b"POST /x HTTP/1.1\r\nHost: a\r\n%bContent-Length: %d\r\n\r\n%b" % (more, len(body), body)

    secret = b"Authorization: Bearer s\r\n"
    sent = [post(b"one"), post(b"two"), GET, post(b"six"), post(b"seven"), post(b"eight"), post(b"nine1"), GET, GET]
    sent += [post(b"ten", secret), post(b"hen", secret), post(b""), post(b"")]
    wanted = [data.partition(b"\r\n\r\n")[2].decode() for data in sent]
    with server.connect() as sock:
        for cut in (0, 5, -2):
            told = []
            for data in sent:
                for piece in filter(None, (data[:cut], data[cut:])):
                    sock.sendall(piece)
                    time.sleep(0.01 * bool(cut))
                told.append(json.loads(read_answer(sock).body))
            assert [answer["body"] for answer in told] == wanted
            assert [answer["method"] for answer in told] == [data.partition(b" ")[0].decode() for data in sent]
        sock.sendall(post(b"one") + post(b"two") + LAST)
        assert [json.loads(answer.body)["body"] for answer in answers(read_all(sock))] == ["one", "two", ""]


def test_head_request_gets_the_length_and_no_body(server: Running) -> None:
    """HEAD is answered like GET, without the body."""
    with server.connect() as sock:
        sock.sendall(b"HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        data = read_all(sock)

    assert b"Content-Length: 81\r\n" in data
    assert data.endswith(b"\r\n\r\n")


def test_pipelined_answers_keep_their_order(server: Running) -> None:
    """A request behind one that takes long waits for it: answers come in the order of the requests."""
    with server.connect() as sock:
        sock.sendall(SLOW + GET + LAST)
        slow = server.wait(server.take_slow)
        server.call(lambda: slow.respond(Response(200, b'"slow"')))
        found = answers(read_all(sock))

    assert found[0].body == b'"slow"'
    assert [answer.json["target"] for answer in found[1:]] == ["/x", "/last"]


def test_a_burst_of_pipelined_requests_is_answered_wholly(server: Running) -> None:
    """A thousand requests in one write are all answered, by and by."""
    found = server.exchange(GET * 1000 + LAST)

    assert len(found) == 1001
    assert {answer.status for answer in found} == {200}


def test_reading_stops_behind_a_slow_request(server: Running) -> None:
    """A caller that pipelines behind a slow request is slowed by TCP; nothing is lost when it goes on."""
    with server.connect() as sock:
        sock.sendall(SLOW)
        slow = server.wait(server.take_slow)
        post = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n" + b"x" * 50_000
        sock.settimeout(0.5)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 100_000_000:
                sent += sock.send(post[sent % len(post) :])
        assert sent < 100_000_000
        sock.settimeout(20)
        server.call(lambda: slow.respond(Response(200, b'"slow"')))
        whole, rest = divmod(sent, len(post))
        received: list[bytes] = []
        reader = threading.Thread(target=lambda: received.append(read_all(sock)))
        reader.start()
        sock.sendall(post[rest:] + LAST)
        reader.join(30)

    assert len(answers(received[0])) == 1 + whole + 1 + 1


def test_continue_is_sent_only_to_who_waits(server: Running) -> None:
    """`100 Continue` goes out before the body is there, once the head has passed every check."""
    head = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    with server.connect() as sock:
        sock.sendall(head)
        interim = sock.recv(100)
        sock.sendall(b"{}")
        (answer,) = answers(read_all(sock))

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.json["body"] == "{}"
    assert [a.status for a in server.exchange(head + b"{}")] == [200]


@pytest.mark.parametrize(
    ("path", "length", "status"), [(b"/no", b"2", 404), (b"/x", b"99999999", 413)], ids=["refused", "too large"]
)
def test_who_waits_for_continue_is_refused_at_once(server: Running, path: bytes, length: bytes, status: int) -> None:
    """A request that can only fail is refused before its body is sent, and the connection closed."""
    raw = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %b\r\nExpect: 100-continue\r\n\r\n" % (path, length)

    assert [answer.status for answer in server.exchange(raw)] == [status]


def test_answer_survives_a_refused_upload(server: Running) -> None:
    """Who sends on while being refused still gets the answer, not a reset."""
    head = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n"

    assert [answer.status for answer in server.exchange(head + b"x" * 3_000_000)] == [413]


def test_half_closed_caller_is_answered(server: Running) -> None:
    """A caller may close its sending side after the request and still read the answers."""
    with server.connect() as sock:
        sock.sendall(GET + GET)
        sock.shutdown(socket.SHUT_WR)

        assert [answer.status for answer in answers(read_all(sock))] == [200, 200]


@pytest.mark.parametrize("abortive", [False, True], ids=["closed", "reset"])
def test_left_caller_cancels_what_waits(server: Running, abortive: bool) -> None:
    """Work whose caller has left is cancelled, and its late answer hurts nobody."""
    with server.connect() as sock:
        sock.sendall(SLOW)
        slow = server.wait(server.take_slow)
        if abortive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    assert slow.cancelled.wait(20)
    server.call(lambda: slow.respond(Response(200, b"{}")))
    assert [answer.status for answer in server.exchange(LAST)] == [200]


def test_slow_head_is_refused(quick: Running) -> None:
    """Headers that trickle in are cut off by a deadline, with 408."""
    with quick.connect() as sock:
        sock.sendall(GET[:-2])

        assert [answer.status for answer in answers(read_all(sock))] == [408]


def test_slow_body_is_refused(quick: Running) -> None:
    """A body that does not keep the minimum rate is cut off, with 408."""
    with quick.connect() as sock:
        sock.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nx")

        assert [answer.status for answer in answers(read_all(sock))] == [408]


def test_idle_connection_is_closed_without_a_word(quick: Running) -> None:
    """Silence is ended by a close, not by an answer that nobody asked for; a stray CRLF is silence, too."""
    with quick.connect() as sock, quick.connect() as fresh:
        sock.sendall(GET + b"\r\n")
        data = read_all(sock)

        assert len(answers(data)) == 1
        assert read_all(fresh) == b""


def test_caller_that_does_not_read_is_cut_off(quick: Running) -> None:
    """Who does not take his answer does not hold it in our memory for ever."""
    with quick.connect() as sock:
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        quick.wait(lambda: len(quick.server.connections) == 1)
        quick.wait(lambda: not quick.server.connections)


def test_large_answer_arrives_whole(server: Running) -> None:
    """An answer larger than every buffer arrives, and the next one behind it."""
    found = server.exchange(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n" + LAST)

    assert [len(answer.body) for answer in found] == [50_000_000, len(found[1].body)]


def test_old_connection_is_told_to_close() -> None:
    """Past its age, the next answer carries `Connection: close`; no request is lost on the way."""
    with running(dataclasses.replace(QUICK, age_seconds=0.3, idle_seconds=20)) as server, server.connect() as sock:
        begun = time.monotonic()
        kept = 0
        while True:
            sock.sendall(GET)
            answer = read_answer(sock)
            assert answer.status == 200
            if answer.headers.get("connection") == "close":
                break
            kept += 1

        assert kept > 0
        assert 0.2 < time.monotonic() - begun < 5
        assert read_all(sock) == b""


def test_beyond_the_limit_health_is_still_answered() -> None:
    """A connection beyond the limit gets 503, or health; beyond the surplus, too, it is cut off."""
    limits = Limits(connections=2, surplus_connections=2)
    with running(limits) as server, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(server.connect())
        server.wait(lambda: len(server.server.connections) == 2)
        (refused,) = server.exchange(GET)
        (vital,) = server.exchange(b"GET /vital HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(2):
            stack.enter_context(server.connect())
        server.wait(lambda: len(server.server.connections) == 4)
        with server.connect() as last:
            try:
                cut_off = last.recv(1) == b""
            except ConnectionResetError:
                cut_off = True

    assert refused.status == 503
    assert refused.headers["retry-after"] in ("1", "2", "3")
    assert (vital.status, vital.headers["connection"]) == (200, "close")
    assert cut_off


def test_bodies_have_a_common_budget() -> None:
    """Bodies that arrive at once share a budget of memory; it is given back when they are answered or given up."""
    post = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n"
    with running(Limits(bodies_bytes=1_000_000)) as server:
        with server.connect() as sock:
            sock.sendall(post)
            server.wait(lambda: server.server.bodies_bytes == 600_000)
            (refused,) = server.exchange(post)
        server.wait(lambda: server.server.bodies_bytes == 0)
        (answered, _) = server.exchange(post + b"x" * 600_000 + LAST)

    assert (refused.status, answered.status) == (503, 200)
    assert server.server.bodies_bytes == 0
    assert server.refused == [503]


def test_listens_on_both_families(server: Running) -> None:
    """IPv4 and IPv6 reach the same port."""
    for host in ("127.0.0.1", "::1"):
        with socket.create_connection((host, server.port), timeout=20) as sock:
            sock.sendall(LAST)

            assert answers(read_all(sock))[0].status == 200
