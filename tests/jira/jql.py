"""As much of JQL as the tests ask, with the errors that Jira gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from tests.jira.project import NAMES, PEOPLE, Issue

_TOKENS = re.compile(r"""\s*("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[(),]|!=|>=|<=|!~|[=<>~]|[^\s(),=<>~!"']+)""")  # fmt: skip
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}


class BadJql(Exception):
    """Jira's words."""


Test = Callable[[Issue], bool]


def search(text: str, issues: Iterable[Issue]) -> list[Issue]:
    """The issues that `text` finds, in its order.

    :raises BadJql: it can not be read, or names what does not exist.
    """
    parser = _Parser(text)
    test = parser.condition()
    found = [issue for issue in issues if test(issue)]
    for name, down in reversed(parser.order()):
        found.sort(key=lambda issue: _order_key(issue, name), reverse=down)
    return found


def is_unbounded(text: str) -> bool:
    tokens = _TOKENS.findall(text)
    return not tokens or tokens[0].lower() == "order"


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[str] = _TOKENS.findall(text)
        self.at = 0

    def condition(self) -> Test:
        if not self._peek() or self._peek().lower() == "order":
            return lambda issue: True
        test = self._or()
        if self._peek() and self._peek().lower() != "order":
            raise BadJql(f"Error in the JQL Query: Expecting either 'OR' or 'AND' but got '{self._peek()}'.")  # fmt: skip
        return test

    def order(self) -> list[tuple[str, bool]]:
        if not self._peek():
            return [("created", True)]
        self.at += 2
        found = []
        while name := self._peek():
            self.at += 1
            down = self._peek().lower() == "desc"
            if self._peek().lower() in {"asc", "desc"}:
                self.at += 1
            if self._peek() == ",":
                self.at += 1
            _known(name)
            found.append((name.lower(), down))
        return found

    def _or(self) -> Test:
        tests = [self._and()]
        while self._peek().lower() == "or":
            self.at += 1
            tests.append(self._and())
        return lambda issue: any(test(issue) for test in tests)

    def _and(self) -> Test:
        tests = [self._term()]
        while self._peek().lower() == "and":
            self.at += 1
            tests.append(self._term())
        return lambda issue: all(test(issue) for test in tests)

    def _term(self) -> Test:
        if self._peek().lower() == "not":
            self.at += 1
            inner = self._term()
            return lambda issue: not inner(issue)
        if self._peek() == "(":
            self.at += 1
            inner = self._or()
            self._take(")")
            return inner
        return self._clause()

    def _clause(self) -> Test:
        name = self._next().strip("\"'")
        _known(name)
        operator = self._next().lower()
        if operator in {"is", "not", "in"}:
            negated = operator == "not"
            if operator == "is" and self._peek().lower() == "not":
                self.at += 1
                negated = True
            if operator == "not":
                operator = self._next().lower()
            if operator == "is":
                self._take("empty")
                return lambda issue: bool(_values(issue, name)) == negated
            values = self._several(name)
            return lambda issue: (not values.isdisjoint(_values(issue, name))) != negated
        value = self._next().strip("\"'")
        if operator in _COMPARE:
            if not value.lstrip("-").isdigit():
                raise BadJql(f"Date value '{value}' for field '{name}' is invalid.")
            compare, at = _COMPARE[operator], int(value)
            return lambda issue: compare(getattr(issue, f"{name.lower()}_ms"), at)
        if operator in {"~", "!~"}:
            return lambda issue: (value.lower() in _all(issue).lower()) == (operator == "~")
        if operator not in {"=", "!="}:
            raise BadJql(f"Error in the JQL Query: Expecting operator but got '{operator}'.")
        _check_value(name, value)
        return lambda issue: (value.lower() in _values(issue, name)) == (operator == "=")

    def _several(self, name: str) -> set[str]:
        self._take("(")
        values = set()
        while self._peek() != ")":
            value = self._next().strip("\"'")
            _check_value(name, value)
            values.add(value.lower())
            if self._peek() == ",":
                self.at += 1
        self._take(")")
        return values

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _next(self) -> str:
        if not (token := self._peek()):
            raise BadJql("Error in the JQL Query: The query ends where a value was expected.")
        self.at += 1
        return token

    def _take(self, wanted: str) -> None:
        if self._peek().lower() != wanted:
            raise BadJql(f"Error in the JQL Query: Expecting '{wanted}' but got '{self._peek()}'.")
        self.at += 1


_FIELDS = {"project", "key", "id", "status", "type", "issuetype", "labels", "text", "summary", "updated", "created", "priority", "assignee", "component"}  # fmt: skip


def _known(name: str) -> None:
    if name.lower() not in _FIELDS:
        raise BadJql(f"Field '{name}' does not exist or you do not have permission to view it.")


def _check_value(name: str, value: str) -> None:
    if name.lower() == "project" and value.upper() not in NAMES:
        raise BadJql(f"The value '{value}' does not exist for the field 'project'.")


def _values(issue: Issue, name: str) -> set[str]:
    found = {
        "project": [issue.project],
        "key": [issue.key],
        "id": [str(issue.id)],
        "status": [issue.status],
        "type": [issue.type],
        "issuetype": [issue.type],
        "labels": issue.labels,
        "priority": [issue.priority],
        "component": [issue.component],
        "summary": [issue.summary],
        "assignee": [issue.assignee, PEOPLE[issue.assignee][0]] if issue.assignee else [],
    }[name.lower()]
    return {each.lower() for each in found}


def _all(issue: Issue) -> str:
    from tests.jira.texts import words

    return " ".join([issue.summary, *words(issue.text)])


def _order_key(issue: Issue, name: str) -> Any:
    if name in {"key", "id"}:
        return (issue.project, issue.number)
    if name in {"updated", "created"}:
        return getattr(issue, f"{name}_ms")
    return sorted(_values(issue, name))
