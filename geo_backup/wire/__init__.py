"""Bytes to events and state to documents, one module a format: pure functions, no sockets, no clock."""
