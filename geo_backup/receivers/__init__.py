"""Receivers: what hears trackers that do not speak HTTP, and tells those that want to be told."""
