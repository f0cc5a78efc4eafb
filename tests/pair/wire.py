"""A line between two machines, in memory."""

from __future__ import annotations

import asyncio

import orjson

from geo_backup.pair.line import Frames, LineLostError, Message, frames


class Wire:
    """One end of a line in memory; what is sent goes through text, as over a port."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[Message | None] = asyncio.Queue()
        self.other: Wire | None = None
        self.cut = False

    async def send(self, message: Message) -> None:
        if self.cut or self.other is None:
            raise LineLostError
        frames_ = Frames()
        for frame in frames(message):
            whole = frames_.take(frame)
        assert whole is not None
        self.other.inbox.put_nowait(orjson.loads(orjson.dumps(whole)))
        await asyncio.sleep(0)

    async def receive(self) -> Message:
        message = None if self.cut else await self.inbox.get()
        if message is None:
            self.cut = True
            raise LineLostError
        return message

    async def close(self) -> None:
        for end in (self, self.other):
            if end is not None:
                end.cut = True
                end.inbox.put_nowait(None)
