"""Viewers in step share one compression, and each reads its own line."""

from __future__ import annotations

import json

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

from geo_backup.server.deflate import OFFER, SAME_WORDS_KEPT, SharedDeflate
from tests.running import Server


def text(words: str) -> Frame:
    return Frame(Opcode.TEXT, words.encode())


def line(window: str = "12") -> tuple[SharedDeflate, PerMessageDeflate]:
    """Both ends of a viewer's line."""
    answer, server = OFFER.process_request_params([("server_max_window_bits", window)], [])
    assert ("server_no_context_takeover", None) in answer
    assert isinstance(server, SharedDeflate)
    return server, PerMessageDeflate(True, False, server.local_max_window_bits, 15)


def test_the_same_words_are_compressed_once_and_read_by_all() -> None:
    words = [json.dumps({"frame": n, "positions": list(range(n, n + 200))}) for n in range(3)]
    lines = [line() for _ in range(5)]
    sent = [[server.encode(text(message)) for message in words] for server, _ in lines]
    assert all(frame is first for frames in sent for frame, first in zip(frames, sent[0], strict=True))
    for (_, viewer), frames in zip(lines, sent, strict=True):
        assert [bytes(viewer.decode(frame).data).decode() for frame in frames] == words
    # the last viewer was away meanwhile, and reads on
    for n in range(SAME_WORDS_KEPT + 1):
        lines[0][0].encode(text(f"another {n}"))
    late = lines[-1][0].encode(text(words[0]))
    assert late is not sent[0][0]
    assert bytes(lines[-1][1].decode(late).data).decode() == words[0]


def test_another_window_is_another_line() -> None:
    small, wide = line("9"), line("12")
    words = json.dumps(list(range(5_000)))
    for server, viewer in (small, wide):
        assert bytes(viewer.decode(server.encode(text(words))).data).decode() == words
    assert len(SharedDeflate._kept) <= SAME_WORDS_KEPT


def test_a_browser_is_answered_compressed_and_one_that_cannot_is_not(server: Server) -> None:
    for compression, offered in (("deflate", True), (None, False)):
        with connect(server.feed, proxy=None, compression=compression) as feed:
            assert ("permessage-deflate" in str(feed.response.headers)) == offered
            feed.send(json.dumps({"type": "hello"}))
            assert json.loads(feed.recv(timeout=10))["type"] == "snapshot"
