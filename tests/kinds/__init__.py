"""Kinds that exist in tests only."""
