"""Receivers beside a server: bound before it starts, run as tasks of its own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from geo_backup.receivers.config import Receiver
from geo_backup.receivers.inlet import Inlet

Task = Callable[[], Coroutine[Any, Any, None]]


def beside_of(receivers: tuple[Receiver, ...], state: Any) -> tuple[Task, ...]:
    """The tasks that run these receivers for an application, whose `state` is given."""
    inlet = Inlet(state.intake, state.speakers)
    state.quarantine.figures |= {receiver.way: receiver.figures for receiver in receivers}
    return (inlet.run, *(partial(receiver.run, inlet) for receiver in receivers))
