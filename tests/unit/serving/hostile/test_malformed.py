"""Whatever is sent: a proper 4xx or an answer, in bounded time and memory, and a neighbour who does not notice."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from unit.serving.hostile import cases, rest_cases
from unit.serving.hostile.doors import MARKER, Door, Neighbour, Sending, exchange, judged
from unit.serving.hostile.grpc_doors import GRPC
from unit.serving.hostile.rest_doors import REST, V1
from unit.serving.hostile.spoiling import sendings
from unit.serving.process import Started

MIB = 1024 * 1024
DOORS: tuple[Door, ...] = (*REST, *GRPC)
REFUSED = {**cases.REFUSED, **rest_cases.REFUSED}


def resident(server: Started) -> float:
    """Resident memory of the server and its children, in MiB."""
    pids = [server.process.pid, *server.children()]
    return (
        sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") for pid in pids) / MIB
    )


def check(server: Started, neighbour: Neighbour, door: Door, sending: Sending) -> None:
    """One request, spoiled or not: never the server's fault, no payload in an error, the neighbour as before."""
    verdict = door.send(server, sending)
    assert verdict.answered or verdict.refused, (sending, verdict)
    assert "Traceback" not in verdict.text
    neighbour.ask()


def quiet(server: Started) -> None:
    """The process lives, and nothing in its log is a payload, a stack trace or a failure of ours."""
    assert server.process.poll() is None
    with server.changed:
        log = list(server.log)
    assert MARKER not in json.dumps(log, ensure_ascii=False)
    assert not [line for line in log if line["event"] in ("Text", "DecodeFailed", "AnswerLost")]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_good_requests_are_good(doors: Started, door: Door) -> None:
    """What the other tests spoil is answered as it is."""
    for target, document in door.good:
        verdict = door.send(doors, Sending(target, *door.encode(document)))
        assert verdict.answered, (target, verdict)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(doors: Started, neighbour: Neighbour, name: str) -> None:
    """Each kind of malformed request gets a 4xx with one sentence, and the next caller his answer."""
    verdict = V1.send(doors, REFUSED[name]())

    assert verdict.refused, verdict.text[:500]
    assert MARKER not in verdict.text
    neighbour.ask()
    quiet(doors)


def examples(number: int) -> settings:
    return settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_spoiled_requests(doors: Started, neighbour: Neighbour, door: Door) -> None:
    """Good requests with anything in them changed are answered or refused, one after another."""

    @examples(60)
    @given(sendings(door))
    def one(sending: Sending) -> None:
        check(doors, neighbour, door, sending)

    one()
    quiet(doors)


@pytest.mark.slow
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_many_spoiled_requests(doors: Started, neighbour: Neighbour, door: Door) -> None:
    """The same, many more of them; memory stays where it was."""
    before = resident(doors)

    @examples(600)
    @given(sendings(door))
    def one(sending: Sending) -> None:
        check(doors, neighbour, door, sending)

    one()
    quiet(doors)
    assert resident(doors) < before + 64


def test_pipelined_garbage(doors: Started, neighbour: Neighbour) -> None:
    """Garbage behind a good request does not touch its answer; it is refused itself, and the connection closed."""
    body = b'{"instances": [[1, 2, 3]]}'
    good = b"POST /v1/models/sum:predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    for garbage in (
        b"\x00\xff" * 40 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        body * 3 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\n" * 3 + b"\r\n",
    ):
        first, second = exchange(doors, good + garbage)
        assert (first.status, second.status) == (200, 400)
        assert first.body == neighbour.expected[1] if neighbour.expected else False
        neighbour.ask()
    quiet(doors)


@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies(doors: Started, neighbour: Neighbour, chunked: bool) -> None:
    """Fifty megabytes are refused while they come, and leave no trace in memory."""
    before = 0.0
    part = b"[1,2,3]," * 128 * 1024
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (50 * len(part))
    body = (b"%x\r\n%b\r\n" % (len(part), part)) * 50 + b"0\r\n\r\n" if chunked else part * 50
    for number in range(5):
        before = resident(doors) if number == 1 else before  # the first one may leave buffers behind
        raw = b"POST /v1/models/sum:predict HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n%b" % (framing, body)
        assert "larger than" in judged(exchange(doors, raw)).text
        neighbour.ask()
    assert resident(doors) < before + 16
    quiet(doors)
