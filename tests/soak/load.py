"""Connections that ask: as fast as they are answered, or at a given rate."""

import asyncio
import random
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence

from soak.doors import Door, Question, Refused, Session
from soak.models import ROWS, Served

SIZES = ((1, 1, 0.6), (2, 8, 0.25), (9, 64, 0.13), (65, 300, 0.02))  # rows from, to, share
STOP_AFTER = 50  # wrong or failed answers


class Load:
    """Questions of mixed models, sizes, outputs and doors, each answer compared with the in-process one."""

    def __init__(self, models: Sequence[Served], doors: Sequence[Door], port: int, seed: int) -> None:
        self._models = models
        self._doors = doors
        self._port = port
        self._random = random.Random(seed)
        self.answers: Counter[str] = Counter()  # by door
        self.rows = 0
        self.wrong: list[str] = []
        self.failed: list[str] = []
        self.latencies = array("f")

    @property
    def count(self) -> int:
        return self.answers.total()

    @property
    def hopeless(self) -> bool:
        return len(self.wrong) + len(self.failed) >= STOP_AFTER

    async def closed(self, connections: int, answers: int) -> None:
        """`connections` callers that ask again as soon as they are answered, until there are `answers` more."""
        end = self.count + answers

        async def caller(door: Door) -> None:
            session = await door.connect(self._port)
            while self.count < end and not self.hopeless:
                await self._ask(door, session)
            await session.close()

        await asyncio.gather(*(caller(self._doors[i % len(self._doors)]) for i in range(connections)))

    async def open(self, connections: int, rate: float, seconds: float) -> None:
        """Questions at random times, `rate` a second, whether or not earlier ones are answered; latencies count from
        the time at which a question was due."""
        begun = time.perf_counter()
        due = begun

        async def caller(door: Door) -> None:
            nonlocal due
            session = await door.connect(self._port)
            while not self.hopeless:
                due += self._random.expovariate(rate)
                mine = due
                if mine > begun + seconds:
                    break
                if (early := mine - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                await self._ask(door, session)
                self.latencies.append(time.perf_counter() - mine)
            await session.close()

        await asyncio.gather(*(caller(self._doors[i % len(self._doors)]) for i in range(connections)))

    async def _ask(self, door: Door, session: Session) -> None:
        question = self._question(door)
        what = f"{door.name}, {question.model.name}, rows {question.begin} to {question.end}"
        try:
            outputs = await asyncio.wait_for(session.ask(question), 60)
        except (Refused, OSError, EOFError, TimeoutError) as error:
            self.failed.append(f"{what}: {type(error).__name__} {error}")
            await session.close()
            return
        self.answers[door.name] += 1
        self.rows += question.end - question.begin
        if tuple(outputs) != question.expected:
            self.wrong.append(f"{what}: outputs {list(outputs)}, not {list(question.expected)}")
        for name, got in outputs.items():
            difference = question.model.differs(name, got, question.begin, question.end)
            if difference is not None:
                self.wrong.append(f"{what}, {name}: {difference}")

    def _question(self, door: Door) -> Question:
        draw = self._random
        (model,) = draw.choices(self._models, [model.share for model in self._models])
        ((least, most, _),) = draw.choices(SIZES, [share for _, _, share in SIZES])
        rows = draw.randint(least, most)
        begin = draw.randint(0, ROWS - rows)
        count = draw.randint(0, len(model.outputs)) if door.any_outputs else 0
        return Question(model, begin, begin + rows, tuple(draw.sample(model.outputs, count)))


async def watched(work: "asyncio.Future[None]", every: float, look: Callable[[], None]) -> None:
    """Await `work` and call `look` every so many seconds."""
    while True:
        done, _ = await asyncio.wait({work}, timeout=every)
        look()
        if done:
            work.result()
            return
