"""The line to the servers of NATS: one JetStream stream that all nodes of an area share, and the beats between them.

The stream is followed through a consumer of this node alone, made anew wherever the last one left off: after a server
died, a line broke, or a message is missing. What is published is taken once, however often it is offered within two
minutes (Nats-Msg-Id). Facts about NATS are from docs.nats.io, JetStream, 2.10 to 2.15.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import nats
import nats.errors
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from geo_backup.cluster.address import Address
from geo_backup.errors import LogError

log_ = logging.getLogger("geo_backup.cluster")

OLDEST = (2, 10, 23)
"""Older servers may lose a stream when they are killed (nats-server issue 6888)."""
KEPT_S = 7 * 86_400
"""The stream keeps its messages so long: a node that was away for longer begins with another's copy."""
ONCE_WITHIN_S = 120
PART_BYTES = 768 << 10
"""NATS takes no message of more than 1 MiB unless it is told otherwise (max_payload)."""
ANSWER_WITHIN_S = 2
TAKEN_WITHIN_S = 0.8
"""A message that is not taken after so long is offered again: the server that had it may be gone."""
HEARTBEAT_S = 0.4
LOST_AFTER_S = 15.0
"""A server that is cut off from the others notices within ten seconds that it leads no stream, and may answer with what
it had until then: so long nobody believes that messages are lost."""
SILENT_S = 1.2
"""A consumer that says nothing for so long is dead."""
AGAIN_S = 0.2
END_AGAIN_S = 0.2
READ_AHEAD_BYTES = 64 << 20
NO_STREAM, NO_ROOM = 10_059, (10_005, 10_023, 10_047, 10_074)


async def end_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended. The client of NATS waits by `asyncio.wait_for`, which before Python 3.12
    loses a cancellation that comes at the moment of an answer."""
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        ended, waiting = await asyncio.wait(waiting, timeout=END_AGAIN_S)
        await asyncio.gather(*ended, return_exceptions=True)


class NotTakenError(Exception):
    """The servers do not take a message at this moment; the words say why."""


class Known(NamedTuple):
    """What the servers say of the stream."""

    epoch: str
    """Of the log that stands in it."""
    began: int
    """Events that the log had when the stream was made: they stand in copies alone."""
    created: str
    """Another stream of the same name was made at another time."""
    first: int
    last: int
    """Its messages; `last` is `first - 1` where there is none."""


class Taken(NamedTuple):
    """One message of the stream."""

    number: int
    """Its place in the stream, from 1."""
    data: bytes
    left: int
    """Messages behind it that were not read yet."""


class Stream:
    """The stream of one area; see the module. `connect` before use."""

    def __init__(self, address: Address, name: str) -> None:
        self.address, self._name = address, name
        self._client = Client()
        self.heard_s = float("-inf")
        """When its servers said something last, on the monotonic clock."""
        self.words = ""
        """Why it cannot be followed."""
        self.replicas = 1
        """Servers that it stands on."""
        self._error = ""
        """What its servers said last against this node."""

    @property
    def connected(self) -> bool:
        """Whether a server is there."""
        return bool(self._client.is_connected)

    async def connect(self) -> None:
        """Call the servers, for as long as none answers within `ANSWER_WITHIN_S` each. Raises LogError."""
        address = self.address
        tls = None
        if address.servers[0].startswith("tls://") or address.ca is not None:
            tls = ssl.create_default_context(cafile=address.ca)
        options: dict[str, Any] = {"reconnect_time_wait": AGAIN_S} | ({} if tls is None else {"tls": tls})
        if address.credentials is not None:
            options["user_credentials"] = str(address.credentials)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S * (1 + len(address.servers))):
                await self._client.connect(
                    list(address.servers),
                    name=f"geo_backup {self._name}",
                    connect_timeout=2,
                    max_reconnect_attempts=-1,
                    ping_interval=1,
                    max_outstanding_pings=2,
                    allow_reconnect=True,
                    error_cb=self._hear_error,
                    **options,
                )
        except (OSError, TimeoutError, nats.errors.Error) as error:
            with suppress(Exception):
                await self._client.close()
            reason = self._error or str(error) or type(error).__name__
            raise LogError(
                f"no NATS server of {address} lets this node in ({reason}): is one running, and is the address right?"
            ) from None
        served = self._client.connected_server_version
        if (version := (served.major, served.minor, served.patch)) < OLDEST:
            await self.close()
            named, oldest = (".".join(map(str, one)) for one in (version, OLDEST))
            raise LogError(
                f"{address} is served by NATS {named}, which may lose a stream: update it to {oldest} at least"
            )

    async def _hear_error(self, error: Exception) -> None:
        self._error = str(error) or type(error).__name__
        log_.debug("NATS: %s", self._error)

    async def close(self) -> None:
        """Hang up."""
        with suppress(Exception):
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._client.close()

    # ---- the stream

    async def known(self) -> Known | None:
        """What the servers say of the stream; None: there is none. Raises NotTakenError where they do not answer."""
        found = await self._ask(f"STREAM.INFO.{self.address.stream}", {})
        error = found.get("error")
        if error is not None:
            if error.get("err_code") == NO_STREAM:
                return None
            raise NotTakenError(str(error.get("description")))
        config, state = found["config"], found["state"]
        self.replicas = int(config["num_replicas"])
        notes = config.get("metadata") or {}
        if "epoch" not in notes:
            raise LogError(f"the stream {self.address.stream} at {self.address} is none of geo_backup's")
        return Known(
            notes["epoch"],
            int(notes["began"]),
            str(found["created"]),
            int(state["first_seq"]),
            int(state["last_seq"]),
        )

    async def make(self, epoch: str, began: int) -> Known:
        """Make the stream, of a log with this epoch that has so many events; if another node makes it first, that one
        stands. Raises LogError where the servers refuse."""
        several = len(self._client.servers) > 2
        wanted = (self.address.replicas,) if self.address.replicas else ((3, 1) if several else (1,))
        refused: dict[str, Any] = {}
        for replicas in wanted:
            found = await self._ask(
                f"STREAM.CREATE.{self.address.stream}",
                {
                    "name": self.address.stream,
                    "subjects": [self._subject("log")],
                    "storage": "file",
                    "retention": "limits",
                    "discard": "new",
                    "max_age": KEPT_S * 1_000_000_000,
                    "duplicate_window": ONCE_WITHIN_S * 1_000_000_000,
                    "num_replicas": replicas,
                    "deny_delete": True,
                    "deny_purge": True,
                    "metadata": {"epoch": epoch, "began": str(began)},
                },
            )
            refused = found.get("error", {})
            if refused.get("err_code") not in NO_ROOM:
                break
        standing = await self.known()
        if standing is None:
            raise LogError(f"{self.address} makes no stream: {refused.get('description', 'it does not say why')}")
        return standing

    async def publish(self, data: bytes, message_id: str) -> int:
        """Offer a message; its place in the stream once a majority of its servers has it. Raises NotTakenError."""
        try:
            answer = await self._client.request(
                self._subject("log"), data, timeout=TAKEN_WITHIN_S, headers={"Nats-Msg-Id": message_id}
            )
        except nats.errors.NoRespondersError:
            raise NotTakenError(
                "its servers choose one that leads (up to nine seconds), or most of them are gone"
            ) from None
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise NotTakenError(f"the servers do not answer ({type(error).__name__})") from None
        return _place(answer.data)

    async def follow(self, after: int, created: str) -> AsyncIterator[list[Taken]]:
        """Batches of the messages past `after`, in order, each once, for ever. Raises LogError where the stream is not
        what was followed before: another one, or one that lost what this node has, or holds it no more."""
        missed_since_s: float | None = None
        while True:
            try:
                known = await self.known()
                if known is not None and known.created == created and known.last >= after:
                    missed_since_s = None
                    if known.first > after + 1:
                        raise LogError(_too_old(self.address, after, known.first))
                    async for batch in self._consume(after):
                        yield batch
                        after = batch[-1].number
                elif missed_since_s is None:  # a server that has just come back may not know better yet
                    missed_since_s = time.monotonic()
                elif time.monotonic() - missed_since_s > LOST_AFTER_S:
                    raise LogError(_not_what_it_was(self.address, after, known, created))
            except NotTakenError as error:
                self.words = str(error)
            await asyncio.sleep(AGAIN_S)

    async def _consume(self, after: int) -> AsyncIterator[list[Taken]]:
        """What one consumer gives, until it is dead or something is missing."""
        client = self._client
        inbox = client.new_inbox()
        try:
            subscription = await client.subscribe(inbox, pending_bytes_limit=READ_AHEAD_BYTES, pending_msgs_limit=0)
        except nats.errors.Error as error:
            raise NotTakenError(str(error)) from None
        name = inbox.rpartition(".")[2]
        try:
            config = {
                "name": name,
                "deliver_subject": inbox,
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": after + 1,
                "ack_policy": "none",
                "max_deliver": 1,
                "flow_control": True,
                "idle_heartbeat": int(HEARTBEAT_S * 1e9),
                "inactive_threshold": 5_000_000_000,
                "mem_storage": True,
                "num_replicas": 1,
            }
            stream = self.address.stream
            made = await self._ask(f"CONSUMER.CREATE.{stream}.{name}", {"stream_name": stream, "config": config})
            if "error" in made:
                raise NotTakenError(str(made["error"].get("description")))
            given = 0
            while True:
                messages = [await subscription.next_msg(timeout=SILENT_S)]
                while subscription.pending_msgs and len(messages) < 1_000:
                    messages.append(await subscription.next_msg(timeout=SILENT_S))
                self.heard_s, self.words = time.monotonic(), ""
                batch: list[Taken] = []
                for one in messages:
                    if one.headers and one.headers.get("Status") == "100":
                        if not await self._is_whole(one, given):
                            return
                        continue
                    place = one.metadata
                    given += 1
                    if place.sequence.consumer != given:  # one is missing: begin anew behind the last that came
                        if batch:
                            yield batch
                        return
                    batch.append(Taken(place.sequence.stream, one.data, place.num_pending))
                if batch:
                    yield batch
        except (nats.errors.Error, TimeoutError, OSError) as error:
            self.words = f"the servers are silent ({type(error).__name__})"
        finally:
            with suppress(Exception):
                await subscription.unsubscribe()
            if client.is_connected:
                with suppress(Exception):
                    await client.publish(f"$JS.API.CONSUMER.DELETE.{self.address.stream}.{name}", b"")

    async def _is_whole(self, control: Msg, given: int) -> bool:
        """Answer a heartbeat or a request for flow control; False where it tells of a message that did not come."""
        headers = control.headers or {}
        if control.reply:
            await self._client.publish(control.reply, b"")
        stalled = headers.get("Nats-Consumer-Stalled")
        if stalled:
            await self._client.publish(stalled, b"")
        return int(headers.get("Nats-Last-Consumer", given)) == given

    async def _ask(self, subject: str, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = await self._client.request(f"$JS.API.{subject}", orjson.dumps(asked), timeout=ANSWER_WITHIN_S)
        except nats.errors.NoRespondersError:
            raise NotTakenError("the servers have no JetStream, or most of them are gone") from None
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise NotTakenError(f"the servers do not answer ({type(error).__name__})") from None
        found: dict[str, Any] = orjson.loads(answer.data)
        return found

    # ---- beside the stream

    async def put(self, data: bytes) -> list[int]:
        """Have the servers keep what is too long for a message, as long as the stream keeps its messages; where its
        parts are. Raises NotTakenError."""
        await self._make_beside("parts", {"max_age": KEPT_S * 1_000_000_000})
        return [
            await self._keep("parts", data[at : at + PART_BYTES], f"{hashlib.sha256(data).hexdigest()}:{at}")
            for at in range(0, len(data), PART_BYTES)
        ]

    async def get(self, places: Sequence[int]) -> bytes:
        """What was put there. Raises NotTakenError."""
        parts = [await self._kept("parts", {"seq": place}) for place in places]
        if not all(parts):
            raise NotTakenError("the servers do not have the parts of a long message")
        return b"".join(parts)

    async def keep(self, data: bytes) -> list[int]:
        """Have the servers keep this in place of what they kept; where its parts are. Raises NotTakenError."""
        await self._make_beside("kept", {"max_msgs": 2})
        places = await self.put(data)
        await self._keep("kept", orjson.dumps(places), "")
        return places

    async def kept(self) -> list[int]:
        """Where the parts are of what they keep; none where that is nothing. Raises NotTakenError."""
        found = await self._kept("kept", {"last_by_subj": self._subject("kept")})
        places: list[int] = orjson.loads(found) if found else []
        return places

    async def _make_beside(self, what: str, limits: dict[str, int]) -> None:
        name = f"{self.address.stream}_{what}"
        config = {"name": name, "subjects": [self._subject(what)], "storage": "file", "num_replicas": self.replicas}
        await self._ask(f"STREAM.CREATE.{name}", {**config, **limits})

    async def _keep(self, what: str, data: bytes, message_id: str) -> int:
        headers = {"Nats-Msg-Id": message_id} if message_id else None
        try:
            answer = await self._client.request(self._subject(what), data, timeout=ANSWER_WITHIN_S, headers=headers)
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise NotTakenError(f"the servers do not answer ({type(error).__name__})") from None
        return _place(answer.data)

    async def _kept(self, what: str, which: dict[str, Any]) -> bytes:
        found = await self._ask(f"STREAM.MSG.GET.{self.address.stream}_{what}", which)
        return base64.b64decode(found["message"].get("data", "")) if "message" in found else b""

    # ---- what nodes tell each other past the stream, and nobody keeps

    async def say(self, what: str, data: bytes) -> None:
        """Tell all nodes; while no server is there it is not told."""
        with suppress(nats.errors.Error, OSError):
            if self._client.is_connected:
                await self._client.publish(self._subject(what), data)
                await self._client.flush(ANSWER_WITHIN_S)

    async def hear(self, what: str, each: Callable[[dict[str, Any]], None]) -> None:
        """Have `each` called with what any node says, this one among them."""

        async def heard(message: Msg) -> None:
            try:
                each(orjson.loads(message.data))
            except (ValueError, TypeError, KeyError, AttributeError, LogError) as error:
                log_.warning("another node said what this one does not understand (%s: %s)", what, error)

        await self._client.subscribe(self._subject(what), cb=heard)

    def _subject(self, what: str) -> str:
        return f"{self.address.stream}.{what}"


def _place(answer: bytes) -> int:
    """Where a message stands, by the answer of who took it. Raises NotTakenError."""
    found = orjson.loads(answer)
    if "error" in found:
        words = str(found["error"].get("description"))
        # what was offered before is still on its way to the other servers
        raise NotTakenError("most of them do not answer" if "duplicate message" in words else words)
    return int(found["seq"])


def _too_old(address: Address, after: int, first: int) -> str:
    return (
        f"{address} holds messages from {first:,} on, and this copy ends at {after:,}: put it away, and begin with the "
        "copy of another node (--join URL)"
    )


def _not_what_it_was(address: Address, after: int, known: Known | None, created: str) -> str:
    begin = "see `geo_backup/cluster/README.md`, When the servers lost something"
    if known is None:
        return f"{address} has lost its stream, and this copy goes to message {after:,}: {begin}"
    if known.created != created:
        return f"{address} has another stream than the one this copy is of: {begin}"
    return f"{address} has lost messages: it ends at {known.last:,}, and this copy at {after:,}: {begin}"
