"""Atomic file writes, digests, locks, and text that is safe to print."""
