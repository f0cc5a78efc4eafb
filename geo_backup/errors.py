"""Every error the package raises on purpose.

    GeoBackupError
    ├── MapError            a map source or folder cannot be used
    ├── LogError            an event log cannot be opened, read or written
    │   ├── WrongMapError       the log was written on another map
    │   ├── LogFullError        the disk is full: nothing was acknowledged
    │   └── PlaybackError       a recording is played: nothing is added to it
    ├── ProfileError        a profile's file says what cannot be (names file, key and remedy)
    ├── BadValueError       a value is out of range (names the field and the remedy)
    ├── OutsideMapError     a place is too far from any road one can drive
    ├── UnknownIdError      no such unit, incident, closure
    ├── OutboundError       a URL may not be fetched, or its host did not answer as it should
    ├── TokenError          a token of an identity provider is not taken
    ├── BusyError           too much is asked at once: ask again
    └── TrackError          a recorded track cannot be read

Bad *data* inside a stream (one impossible fix among a thousand) is a value with a reason, never an exception.
"""

from __future__ import annotations


class GeoBackupError(Exception):
    """Base of all errors here; its text is fit to be shown to a person."""


class MapError(GeoBackupError):
    """A map source or map folder cannot be used; the text says what to do."""


class ProfileError(GeoBackupError):
    """A profile's file cannot be read or says what cannot be; the text names the file, the key and the remedy."""


class LogError(GeoBackupError):
    """The event log cannot be opened, read or written."""


class WrongMapError(LogError):
    """The log's events were recorded on a map with another content id."""


class LogHeldError(LogError):
    """Another process writes the log: one alone may."""


class LogFullError(LogError):
    """The log's disk is full; the events of this call were not recorded."""


class PlaybackError(LogError):
    """A recording of a log is played: what was is not changed."""


class BadValueError(GeoBackupError):
    """A value is out of its range.

    `field` is the JSON pointer of the value, `reason` a short code, the text the remedy.
    """

    def __init__(self, field: str, reason: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.reason = reason


class OutsideMapError(BadValueError):
    """A place is further from any drivable road than the rules allow."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, "outside_map", message)


class UnknownIdError(GeoBackupError):
    """No unit, incident or closure has this id."""


class OutboundError(GeoBackupError):
    """A URL may not be fetched, or whoever is behind it did not answer as they should; the text names the host."""


class TokenError(GeoBackupError):
    """A token of an identity provider is not taken.

    `status` is what HTTP answers, `reason` a short code, the text what is wrong and who can mend it.
    """

    def __init__(self, status: int, reason: str, words: str) -> None:
        super().__init__(words)
        self.status, self.reason = status, reason


class BusyError(GeoBackupError):
    """Too many others have asked; the same question will be answered a little later."""


class TrackError(GeoBackupError):
    """A recorded track cannot be read; the text names the file, the place in it and the remedy."""
