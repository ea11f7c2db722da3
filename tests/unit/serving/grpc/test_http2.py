"""The native transport, frame by frame: flow control, floods, broken requests, the farewell, and memory."""

import asyncio
import contextlib
import gc
import socket
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest

from unit.serving.grpc.client import Client, request
from unit.serving.grpc.harness import Held, Port, serving, until
from unit.serving.hostile import http2
from unit.serving.hostile.http2 import END_HEADERS, END_STREAM, PREFACE, Frame, call, frame, head

INFERENCE = b"/inference.GRPCInferenceService"
LIVE, INFER, STREAM = INFERENCE + b"/ServerLive", INFERENCE + b"/ModelInfer", INFERENCE + b"/ModelStreamInfer"
EMPTY = bytes(5)
CALM = 11


class Wire:
    """A connection by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.frames: list[Frame] = []

    def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    async def next(self) -> Frame | None:
        """The next frame; None where the connection has ended."""
        try:
            lead = await self.reader.readexactly(9)
            payload = await self.reader.readexactly(int.from_bytes(lead[:3], "big"))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        self.frames.append(Frame(lead[3], int.from_bytes(lead[5:9], "big"), payload))
        return self.frames[-1]

    async def until(self, kind: int) -> Frame | None:
        """The next frame of a kind; None where the connection has ended."""
        while (found := await self.next()) is not None and found.kind != kind:
            pass
        return found

    async def ended(self) -> list[Frame]:
        """All frames until the end of the connection."""
        while await self.next() is not None:
            pass
        return self.frames

    async def statuses(self, count: int) -> dict[int, int]:
        """The statuses of so many calls, by their streams."""
        while True:
            told = {stream: int(value) for stream, name, value in http2.fields(self.frames) if name == b"grpc-status"}
            if len(told) >= count:
                return told
            assert await self.next() is not None, "the connection has ended"


@contextlib.asynccontextmanager
async def wired(port: Port, preface: bytes = PREFACE + frame(http2.SETTINGS)) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port.port)
    writer.write(preface)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def envelope(message: bytes) -> bytes:
    return b"\0" + struct.pack(">I", len(message)) + message


def farewell(frames: list[Frame]) -> tuple[int, bytes]:
    """Error code and text of the last GOAWAY."""
    payload = next(each.payload for each in reversed(frames) if each.kind == http2.GOAWAY)
    return int.from_bytes(payload[4:8], "big"), payload[8:]


async def test_a_message_may_be_cut_anywhere() -> None:
    """In every place of what goes over the wire, also within envelope, frame and preface."""
    message = request("m", [1.0], columns=1).SerializeToString()
    data = envelope(message)
    whole = PREFACE + frame(http2.SETTINGS) + frame(http2.HEADERS, END_HEADERS, 1, head(INFER))
    whole += frame(http2.DATA, 0, 1, data[:3]) + frame(http2.DATA, 0, 1, data[3:9]) + frame(http2.DATA, 1, 1, data[9:])
    async with serving(row=1e-7) as (port, _):
        for place in range(1, len(whole)):
            async with wired(port, whole[:place]) as wire:
                await asyncio.sleep(0)
                await wire.writer.drain()
                wire.send(whole[place:])
                assert await wire.statuses(1) == {1: 0}
        assert port.codes == {("grpc", "m", 200): len(whole) - 1}


@pytest.mark.parametrize(
    ("frames", "status"),
    [
        ([frame(http2.HEADERS, END_HEADERS | END_STREAM, 1, head(LIVE))], 13),
        ([frame(http2.HEADERS, END_HEADERS, 1, head(LIVE)), frame(http2.DATA, END_STREAM, 1, b"\0\0\0")], 13),
        ([frame(http2.HEADERS, END_HEADERS, 1, head(LIVE)), frame(http2.DATA, END_STREAM, 1, b"\0\0\0\0\2x")], 13),
        ([frame(http2.HEADERS, END_HEADERS, 1, head(LIVE)), frame(http2.DATA, END_STREAM, 1, b"\2\0\0\0\0")], 13),
        ([frame(http2.HEADERS, END_HEADERS, 1, head(STREAM)), frame(http2.DATA, END_STREAM, 1, b"\0\0\0\0\2x")], 13),
        ([frame(http2.HEADERS, END_HEADERS, 1, head(STREAM)), frame(http2.DATA, END_STREAM, 1, b"\1\0\0\0\0")], 13),
        ([frame(http2.HEADERS, END_HEADERS | END_STREAM, 1, head(STREAM))], 0),
        ([frame(http2.HEADERS, END_HEADERS, 1, head(INFER)), frame(http2.DATA, 0, 1, b"\0\x7f\xff\xff\xff")], 8),
        ([frame(http2.HEADERS, END_HEADERS, 1, head(STREAM)), frame(http2.DATA, 0, 1, b"\0\x7f\xff\xff\xff")], 8),
        ([frame(http2.HEADERS, END_HEADERS, 1, head(b"/a/b"))], 12),
    ],
    ids=["no message", "half an envelope", "half a message", "odd flag", "half a message in a stream", "packed, unsaid",
         "an empty stream", "too large", "too large in a stream", "no such method"],
)  # fmt: skip
async def test_requests_that_are_not_whole(frames: list[bytes], status: int) -> None:
    """Each has its status at once, also before its end; the connection goes on, and holds nothing of it."""
    async with serving(row=1e-7, message_bytes=100_000) as (port, _), wired(port) as wire:
        wire.send(*frames)
        assert await wire.statuses(1) == {1: status}
        wire.send(call(LIVE, stream=3))
        assert (await wire.statuses(2))[3] == 0
        assert port.server.port.held == 0  # type: ignore[attr-defined]


async def test_what_is_no_grpc_is_answered_in_http() -> None:
    """415 for another content type, 405 for another method."""
    async with serving() as (port, _), wired(port) as wire:
        for stream, words in (
            (1, {"kind": b"text/html"}),
            (3, {"kind": b"application/grpc-web"}),
            (5, {"method": b"GET"}),
        ):
            wire.send(frame(http2.HEADERS, END_HEADERS | END_STREAM, stream, head(LIVE, **words)))
            await wire.until(http2.HEADERS)
    told = {stream: value for stream, name, value in http2.fields(wire.frames) if name == b":status"}
    assert told == {1: b"415", 3: b"415", 5: b"405"}


async def test_large_messages_both_ways() -> None:
    """64 MiB in, 64 MiB out, through a client whose window is a hundredth of that."""
    values = np.arange(8 << 20, dtype=np.float64)
    asked = request("m", [0.0], columns=1)
    asked.inputs[0].ClearField("contents")
    asked.inputs[0].shape[:] = [len(values) - 100, 1]
    asked.raw_input_contents.append(values[:-100].tobytes())
    async with serving(timeout=60.0) as (port, client):
        answer = await client.infer(asked)
        assert np.array_equal(np.frombuffer(answer.raw_output_contents[0]), values[:-100] * 2)
        await until(lambda: port.server.port.held == 0)  # type: ignore[attr-defined]


async def test_a_reader_that_pauses_gets_his_answer() -> None:
    """A window of nothing holds the answer back, and nobody else; each bit of window brings as much of it."""
    small = frame(http2.SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
    body = envelope(request("m", np.zeros(5000), columns=1).SerializeToString())
    async with serving(row=1e-7) as (port, client), wired(port, PREFACE + small) as wire:
        wire.send(frame(http2.HEADERS, END_HEADERS, 1, head(INFER)))
        for at in range(0, len(body), 16_000):
            wire.send(frame(http2.DATA, END_STREAM if at + 16_000 >= len(body) else 0, 1, body[at : at + 16_000]))
        await wire.until(http2.HEADERS)
        await client.infer(request("m", [1.0], columns=1))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wire.next(), 0.2)
        got = 0
        while got < 40_000:
            wire.send(frame(http2.WINDOW_UPDATE, 0, 1, struct.pack(">I", 7000)))
            data = await wire.until(http2.DATA)
            assert data is not None
            assert len(data.payload) <= 7000
            got += len(data.payload)
        wire.send(frame(http2.WINDOW_UPDATE, 0, 1, struct.pack(">I", 1 << 20)))
        assert await wire.statuses(1) == {1: 0}


async def test_a_slow_stream_is_stopped_by_its_window() -> None:
    """What a stream's reader does not take stays with the client, but for a window of it."""
    held = Held()
    async with serving(held) as (port, client):
        sent = 0

        async def asked() -> AsyncIterator[Any]:
            nonlocal sent
            for sent in range(200):
                yield request("m", np.zeros(20_000), columns=1, id=str(sent))

        answers = client.stream(asked())
        await until(lambda: held.seen)
        await asyncio.sleep(0.5)
        stopped, kept = sent, port.server.port.held  # type: ignore[attr-defined]
        held.gate.set()
        ids = [answer.infer_response.id async for answer in answers]

    assert stopped < 150
    assert kept < 3 << 20
    assert ids == [str(number) for number in range(200)]


def _resets(count: int) -> bytes:
    return b"".join(
        frame(http2.HEADERS, END_HEADERS, stream, head(INFER)) + frame(http2.RST_STREAM, 0, stream, http2.CANCEL)
        for stream in range(1, 2 * count, 2)
    )


FLOODS = {
    "resets": (_resets(3000), b"too_many_resets"),
    "pings": (frame(http2.PING, 0, 0, bytes(8)) * 20, b"too_many_pings"),
    "settings": (frame(http2.SETTINGS, 0, 0) * 1500, b"too_many_frames"),
    "priorities": (frame(2, 0, 1, bytes(3) + b"\3\x10") * 1500, b"too_many_frames"),
    "empty data": (
        frame(http2.HEADERS, END_HEADERS, 1, head(INFER)) + frame(http2.DATA, 0, 1) * 1500,
        b"too_many_frames",
    ),
    "continuations": (
        frame(http2.HEADERS, 0, 1, head(LIVE)) + frame(http2.CONTINUATION, 0, 1, b"") * 500,
        None,  # by the library's own bound in some releases
    ),
    "a header list without an end": (
        frame(http2.HEADERS, 0, 1, head(LIVE))
        + frame(http2.CONTINUATION, 0, 1, b"".join(http2.field(b"x", b"y" * 120) for _ in range(100))) * 40,
        None,
    ),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_floods_end_their_connection(name: str) -> None:
    """Frames that cost us more than their sender: ENHANCE_YOUR_CALM, and the end; others are served meanwhile."""
    flood, word = FLOODS[name]
    async with serving(row=1e-7) as (port, client), wired(port) as wire:
        wire.send(flood)
        await client.infer(request("m", [1.0], columns=1))
        frames = await wire.ended()
        await until(lambda: port.server.port.open == 0)  # type: ignore[attr-defined]

    if word is not None:
        assert farewell(frames) == (CALM, word)


async def test_too_much_metadata_is_refused() -> None:
    """RESOURCE_EXHAUSTED for the call; the connection goes on."""
    large = b"".join(http2.field(b"x-%d" % number, b"y" * 100) for number in range(150))
    async with serving() as (port, _), wired(port) as wire:
        wire.send(frame(http2.HEADERS, 0, 1, head(LIVE)), frame(http2.CONTINUATION, 0, 1, large[:15_000]))
        wire.send(frame(http2.CONTINUATION, END_HEADERS, 1, large[15_000:]))
        wire.send(frame(http2.DATA, END_STREAM, 1, EMPTY), call(LIVE, stream=3))
        assert await wire.statuses(2) == {1: 8, 3: 0}


async def test_silence_ends_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a preface, with half a header list, or without an answer to a ping."""
    monkeypatch.setattr("modelmoor_server.grpc.http2_connection.HEAD_SECONDS", 0.3)
    half = PREFACE + frame(http2.SETTINGS) + frame(http2.HEADERS, 0, 1, head(LIVE))
    async with serving(keepalive_seconds=0.3, keepalive_grace=0.3) as (port, _):
        for preface in (b"", PREFACE[:10], half, PREFACE + frame(http2.SETTINGS)):
            async with wired(port, preface) as wire:
                begun = time.perf_counter()
                await asyncio.wait_for(wire.ended(), 10)
                assert time.perf_counter() - begun > 0.3


async def test_calls_have_a_bound_in_all() -> None:
    """RESOURCE_EXHAUSTED beyond it; those that are there are answered."""
    held = Held()
    async with serving(held, calls=3) as (port, client):
        calls = [client.infer(request("m", [float(value)], columns=1)) for value in range(3)]
        await until(lambda: port.counters.in_flight == 3)
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await client.infer(request("m", [9.0], columns=1))
        held.gate.set()
        await asyncio.gather(*calls)
    assert told.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_aged_connection_loses_no_call() -> None:
    """Connections that end every 0.6 s under load, and clients who notice nothing."""
    async with serving(row=1e-7, age_seconds=0.6) as (port, client):
        end, answered = time.perf_counter() + 3.0, 0

        async def work() -> None:
            nonlocal answered
            while time.perf_counter() < end:
                await client.infer(request("m", [1.0], columns=1))
                answered += 1

        await asyncio.gather(*(work() for _ in range(16)))
        assert port.codes == {("grpc", "m", 200): answered}


async def test_a_drain_waits_for_what_is_in_flight() -> None:
    """The running call is answered, its connection closed, and the drain says that all was."""
    held = Held()
    async with serving(held) as (port, client):
        running = client.infer(request("m", [1.0], columns=1))
        await until(lambda: held.seen)
        draining = asyncio.ensure_future(port.server.drain(0.1))
        await asyncio.sleep(0.5)
        assert not draining.done()
        held.gate.set()
        await running
        assert await draining is True
        assert not port.server.connections  # type: ignore[attr-defined]


@pytest.mark.slow
async def test_memory_does_not_grow() -> None:
    """20,000 calls, a third of them cancelled or refused, leave neither calls nor memory behind."""

    def resident() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / (1 << 20)

    async with serving(row=1e-7) as (port, client):

        async def some(count: int) -> None:
            for number in range(count):
                one = client.infer(request("m" if number % 7 else "nope", [1.0], columns=1))
                if number % 5 == 0:
                    one.cancel()
                with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
                    await one

        await asyncio.gather(*(some(200) for _ in range(10)))
        gc.collect()
        before = resident()
        await asyncio.gather(*(some(2000) for _ in range(10)))
        gc.collect()
        await until(lambda: port.server.port.open == 0)  # type: ignore[attr-defined]
        assert resident() < before + 8
        assert port.counters.in_flight == 0
        assert not any(connection.calls for connection in port.server.connections)  # type: ignore[attr-defined]


async def test_a_taken_port_is_told() -> None:
    """PortTaken, and not a library's words."""
    from modelmoor_server.grpc.port import PortTaken

    async with serving() as (port, _):
        with socket.socket() as taken:
            taken.bind(("0.0.0.0", 0))
            taken.listen()
            with pytest.raises(PortTaken):
                await port.server.start(taken.getsockname()[1])


async def test_clients_of_one_connection_share_it() -> None:
    """More calls at a time than one connection may have: the client's library lets them wait, none is refused."""
    async with serving(row=1e-7, streams=4) as (port, _):
        async with Client(port.port, **{"grpc.use_local_subchannel_pool": 1}) as client:
            await asyncio.gather(*(client.infer(request("m", [1.0], columns=1)) for _ in range(100)))
        assert port.codes == {("grpc", "m", 200): 100}
