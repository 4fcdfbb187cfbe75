"""A Jira of our own: both of its APIs, a project of issues, and whatever can go wrong.

`python -m tests.jira --port 8090` serves it for the console to be tried against.
"""

from tests.jira.project import Project
from tests.jira.server import Jira

__all__ = ["Jira", "Project"]
