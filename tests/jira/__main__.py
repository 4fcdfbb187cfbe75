"""`python -m tests.jira`: a Jira to try the console against, until Ctrl-C."""

from __future__ import annotations

import argparse
import threading

from tests.jira.project import Project
from tests.jira.server import PAT, TOKEN, Jira


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.jira", description=__doc__)
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--deployment", choices=["cloud", "server"], default="cloud")
    parser.add_argument("--issues", type=int, default=200)
    parser.add_argument("--change-every", type=float, default=0, metavar="SECONDS",
                        help="comment on an issue, now and then, so that syncs find changes")  # fmt: skip
    parser.add_argument("--pause", type=float, default=0, metavar="SECONDS",
                        help="how long each answer takes")  # fmt: skip
    given = parser.parse_args()
    project = Project(given.issues)
    jira = Jira(project, deployment=given.deployment, port=given.port)
    jira.pause_s = given.pause
    with jira:
        print(f"Jira {given.deployment} with {given.issues} issues: {jira.url}")
        if jira.cloud:
            print(f"  email ada@example.com, token {TOKEN}")
        else:
            print(f"  pat {PAT}")
        print("  jql: project = SHOP", flush=True)
        pause = threading.Event()
        try:
            while not pause.wait(given.change_every or None):
                with jira.lock:
                    first = next(iter(project.issues.values()))
                    project.comment(first.key, "Seen again in the nightly run.")
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
