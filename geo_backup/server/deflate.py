"""Deflate: what many viewers are told in the same words is compressed once.

A websocket compresses each message by those before it on the same line, so that no two lines carry the same bytes,
and fifty viewers are fifty times the work, on the event loop. Frames are long enough to be compressed each by itself
(some 2 % more bytes); then all lines carry the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, ClassVar

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.typing import ExtensionParameter

SAME_WORDS_KEPT = 8
"""Viewers that keep up are at most a few frames apart."""
SAME_WORDS_MAX_BYTES = 2_000_000
"""Snapshots too, and what was missed: viewers who lost their lines together come back together."""


class SharedDeflate(PerMessageDeflate):
    """permessage-deflate (RFC 7692) without context takeover, that remembers what it compressed last."""

    _kept: ClassVar[OrderedDict[tuple[int, bytes], Frame]] = OrderedDict()

    def encode(self, frame: Frame) -> Frame:
        """Compress a message, or find it compressed."""
        if frame.opcode is not Opcode.TEXT or not frame.fin or len(frame.data) > SAME_WORDS_MAX_BYTES:
            return super().encode(frame)
        key = (self.local_max_window_bits, bytes(frame.data))
        encoded = self._kept.get(key)
        if encoded is None:
            encoded = self._kept[key] = super().encode(frame)
            if len(self._kept) > SAME_WORDS_KEPT:
                self._kept.popitem(last=False)
        return encoded


class SharedDeflateFactory(ServerPerMessageDeflateFactory):
    """Offers a viewer `SharedDeflate`."""

    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        """Negotiate as usual."""
        answer, usual = super().process_request_params(params, accepted_extensions)
        return answer, SharedDeflate(
            usual.remote_no_context_takeover,
            usual.local_no_context_takeover,
            usual.remote_max_window_bits,
            usual.local_max_window_bits,
            usual.compress_settings,
        )


OFFER = SharedDeflateFactory(
    server_no_context_takeover=True,
    server_max_window_bits=12,
    client_max_window_bits=12,
    compress_settings={"memLevel": 5},
)


class SharedFeed(WebSocketsSansIOProtocol):
    """uvicorn's websocket with this compression in place of its own."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.conn.available_extensions = [OFFER]
