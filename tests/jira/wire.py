"""Issues as Jira's JSON, in either version of its API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.jira.project import NAMES, PEOPLE, Comment, File, Issue, Project
from tests.jira.texts import Text, adf, wiki

CUSTOM = "com.atlassian.jira.plugin.system.customfieldtypes:"
FIELDS: list[tuple[str, str, str]] = [
    *((name, label, "") for name, label in {
        "summary": "Summary", "description": "Description", "project": "Project",
        "issuetype": "Issue Type", "status": "Status", "priority": "Priority",
        "resolution": "Resolution", "labels": "Labels", "components": "Components",
        "versions": "Affects versions", "fixVersions": "Fix versions", "assignee": "Assignee",
        "reporter": "Reporter", "parent": "Parent", "issuelinks": "Linked Issues",
        "subtasks": "Sub-tasks", "environment": "Environment", "created": "Created",
        "updated": "Updated", "duedate": "Due date", "comment": "Comment",
        "attachment": "Attachment",
    }.items()),
    ("customfield_10016", "Story Points", CUSTOM + "float"),
    ("customfield_10020", "Acceptance criteria", CUSTOM + "textarea"),
    ("customfield_10021", "Sprint", "com.pyxis.greenhopper.jira:gh-sprint"),
    ("customfield_10022", "Team", CUSTOM + "cascadingselect"),
]  # fmt: skip


def time(ms: int) -> str:
    at = datetime.fromtimestamp(ms / 1000, tz=UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}+0000"


class Wire:
    """How one of the two says things."""

    def __init__(self, *, cloud: bool, url: str, embedded: int) -> None:
        self.cloud = cloud
        self.url = url
        self.embedded = embedded

    def fields(self) -> list[dict[str, Any]]:
        found = []
        for id, name, custom in FIELDS:
            each: dict[str, Any] = {"id": id, "name": name, "custom": bool(custom)}
            if custom:
                each["schema"] = {"type": "string", "custom": custom}
            found.append(each)
        return found

    def issue(self, issue: Issue, project: Project, *, wanted: list[str]) -> dict[str, Any]:
        said = {"id": str(issue.id), "self": f"{self.url}/rest/api/2/issue/{issue.id}"}
        if wanted != ["id"]:
            said["key"] = issue.key
        every = self._values(issue, project)
        chosen = every if "*all" in wanted else {n: v for n, v in every.items() if n in wanted}
        return {**said, "fields": chosen} if chosen or not self.cloud else said

    def comment(self, comment: Comment) -> dict[str, Any]:
        said: dict[str, Any] = {
            "id": str(comment.id),
            "author": self.person(comment.author),
            "body": self._text(comment.text),
            "created": time(comment.created_ms),
            "updated": time(comment.created_ms),
        }
        if comment.role:
            said["visibility"] = {"type": "role", "value": comment.role}
        return said

    def person(self, name: str) -> dict[str, Any] | None:
        if not name:
            return None
        shown, email = PEOPLE[name]
        own = {"accountId": f"5b10:{name}"} if self.cloud else {"name": name, "key": name}
        return {**own, "displayName": shown, "emailAddress": email, "active": True,
                "avatarUrls": {"48x48": f"{self.url}/avatar/{name}.png"}}  # fmt: skip

    def _text(self, text: Text) -> Any:
        if not text:
            return None
        return adf(text) if self.cloud else wiki(text)

    def _file(self, file: File) -> dict[str, Any]:
        content = (
            f"{self.url}/rest/api/3/attachment/content/{file.id}"
            if self.cloud
            # A Jira behind a proxy that does not know its own name.
            else f"http://jira.internal:8080/secure/attachment/{file.id}/{file.name}"
        )
        return {
            "id": str(file.id),
            "filename": file.name,
            "author": self.person(file.author),
            "created": time(file.created_ms),
            "size": len(file.content) if file.said_size is None else file.said_size,
            "mimeType": file.media_type,
            "content": content,
        }

    def _values(self, issue: Issue, project: Project) -> dict[str, Any]:
        comments = [self.comment(each) for each in issue.comments]
        links = [
            {
                "id": "1",
                "type": {"name": "Blocks", "inward": "is blocked by", "outward": "blocks"},
                "outwardIssue": {"key": other.key, "fields": {"summary": other.summary}},
            }
            for id in issue.blocks
            if (other := project.issues.get(id))
        ]
        sprint: Any = {"id": 1, "name": issue.sprint, "state": "active"}
        if not self.cloud:
            sprint = f"com.atlassian.greenhopper.service.sprint.Sprint@3f[id=1,rapidViewId=2,state=ACTIVE,name={issue.sprint},startDate=<null>]"
        return {
            "summary": issue.summary,
            "description": self._text(issue.text),
            "project": {"id": "1", "key": issue.project, "name": NAMES[issue.project]},
            "issuetype": {"id": "1", "name": issue.type, "subtask": False},
            "status": {"id": "1", "name": issue.status, "statusCategory": {"name": "To Do"}},
            "priority": {"id": "1", "name": issue.priority},
            "resolution": {"name": "Fixed"} if issue.status == "Done" else None,
            "labels": issue.labels,
            "components": [{"id": "1", "name": issue.component}],
            "versions": [],
            "fixVersions": [],
            "assignee": self.person(issue.assignee),
            "reporter": self.person(issue.reporter),
            "issuelinks": links,
            "subtasks": [],
            "environment": None,
            "created": time(issue.created_ms),
            "updated": time(issue.updated_ms),
            "duedate": None,
            "comment": {
                "comments": comments[: self.embedded],
                "total": len(comments),
                "maxResults": self.embedded,
                "startAt": 0,
            },
            "attachment": [self._file(each) for each in issue.files],
            "customfield_10016": float(issue.points) if issue.points else None,
            "customfield_10020": self._text(issue.criteria),
            "customfield_10021": [sprint] if issue.sprint else None,
            "customfield_10022": {"value": "Web", "child": {"value": issue.component}},
        }
