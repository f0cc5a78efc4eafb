"""Recorded tracks played again: read from any format, merged into one timeline, sent in step."""
