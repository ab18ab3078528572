"""Plays Apache APISIX's own test files against the embedded gateway."""
