"""Small sites to record: one page for each thing that a browser can do to a recorder."""

from tests.sites.server import Sites

__all__ = ["Sites"]
