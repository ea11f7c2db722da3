"""What the parent does about a worker that lives and does nothing."""

import asyncio
import signal
import socket
from pathlib import Path

import pytest

from modelmoor_server import settings
from modelmoor_server.workers import parent
from modelmoor_server.workers.channel import Channel


async def test_a_worker_whose_loop_stands_still_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No answer within the patience: it is killed, and its keeper replaces it as any that died."""
    monkeypatch.setattr(parent, "LOOK", 0.05)
    monkeypatch.setattr(parent, "HUNG", 0.1)
    known = settings.from_environment({}, ["iris=./iris.joblib"], workers=2)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        process = await asyncio.create_subprocess_exec("sleep", "60")
        channel = Channel({})
        await channel.open(ours)
        worker = parent._Worker(1, process, channel)
        watching = asyncio.ensure_future(parent._Parent(known, tmp_path)._watch(worker))
        assert await asyncio.wait_for(process.wait(), 20) == -signal.SIGKILL
        theirs.close()  # as the end of a real worker does
        assert await asyncio.wait_for(watching, 20) == -signal.SIGKILL


async def test_a_worker_that_answers_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """However often it is asked."""
    monkeypatch.setattr(parent, "LOOK", 0.01)
    known = settings.from_environment({}, ["iris=./iris.joblib"], workers=2)
    ours, theirs = socket.socketpair()
    asked = asyncio.Event()

    async def ping() -> None:
        asked.set()

    there = Channel({"ping": ping})
    for sock in (ours, theirs):
        sock.setblocking(False)
    await there.open(theirs)
    serving = asyncio.ensure_future(there.run())
    process = await asyncio.create_subprocess_exec("sleep", "60")
    channel = Channel({})
    await channel.open(ours)
    worker = parent._Worker(1, process, channel)
    watching = asyncio.ensure_future(parent._Parent(known, tmp_path)._watch(worker))
    await asyncio.wait_for(asked.wait(), 10)
    await asyncio.sleep(0.1)
    assert not watching.done()
    process.terminate()
    there.close()
    assert await asyncio.wait_for(watching, 10) == -signal.SIGTERM
    await serving
