"""Logical dumps: made in one snapshot, streamed, described by a manifest, and proved to restore (R3.2, R3.4)."""
