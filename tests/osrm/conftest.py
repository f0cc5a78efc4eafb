"""One real server for all tests of a file."""

from tests.server.conftest import http, server

__all__ = ["http", "server"]
