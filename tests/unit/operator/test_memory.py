import asyncio
import platform

import pytest

from modelmoor_operator import memory


async def test_free_memory_is_given_back_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trim runs off the loop, every interval, with nothing kept back."""
    kept: list[int] = []
    twice = asyncio.Event()
    loop = asyncio.get_running_loop()

    def trim(keep: int) -> int:
        kept.append(keep)
        if len(kept) == 2:
            loop.call_soon_threadsafe(twice.set)
        return 1

    monkeypatch.setattr(memory, "_malloc_trim", lambda: trim)
    task = asyncio.ensure_future(memory.keep_small(0.001))
    await asyncio.wait_for(twice.wait(), 10)
    task.cancel()
    assert kept[:2] == [0, 0]


async def test_another_c_library_does_not_end_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no malloc_trim the part goes on for ever: a part that ends would end the operator."""
    monkeypatch.setattr(memory, "_malloc_trim", lambda: None)
    task = asyncio.ensure_future(memory.keep_small(0.001))
    done, _ = await asyncio.wait({task}, timeout=0.1)
    task.cancel()
    assert not done


def test_glibc_has_it() -> None:
    """There the call is found, and says whether anything was given back; another C library has none."""
    trim = memory._malloc_trim()
    assert (trim is not None) == (platform.libc_ver()[0] == "glibc")
    assert trim is None or trim(0) in (0, 1)
