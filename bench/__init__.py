"""Benches: each prints its figures and fails when an aim that is a promise is missed."""
