"""Two projects of a web shop: issues as QA teams write them, the same ones for the same seed."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field, replace

from tests.documents import samples
from tests.jira.texts import Text

DAY_MS = 86_400_000

PEOPLE = {
    "ada": ("Ada Byron", "ada@example.com"),
    "grace": ("Grace Hopper", "grace@example.com"),
    "linus": ("Linus Pauling", "linus@example.com"),
    "mary": ("Mary Somerville", "mary@example.com"),
}
NAMES = {"SHOP": "Storefront", "PAY": "Payments"}
_AREAS = {
    "SHOP": {
        "Cart": ["quantity field", "voucher box", "mini cart", "shipping estimate"],
        "Search": ["suggestion list", "facet panel", "sort menu", "results page"],
        "Account": ["address book", "password reset", "order history", "newsletter switch"],
    },
    "PAY": {
        "Checkout": ["card form", "SEPA mandate", "3-D Secure step", "invoice option"],
        "Refunds": ["partial refund", "credit note", "refund mail", "reconciliation report"],
    },
}
_FAULTS = [
    ("loses the entered value after going back", "the value stays as it was entered", "the field is empty"),
    ("shows a stale total until the page is reloaded", "the total follows at once", "the old total is shown"),
    ("can not be reached with the keyboard", "Tab moves the focus there", "the focus skips it"),
    ("accepts a value that the service refuses", "a message names the limit", "the request fails with 422"),
    ("times out when the stock service is slow", "a spinner and then the result", "an empty page after 30 s"),
    ("is cut off on a phone in German", "the whole word can be read", "the last letters are hidden"),
    ("sends the request twice on a double click", "one order is made", "two orders are made"),
    ("ignores the currency of the session", "prices in CHF", "prices in EUR"),
]  # fmt: skip
_BROWSERS = ["Firefox 145", "Chrome 141", "Safari 26", "Edge 140"]
_WISHES = [
    ("as a returning customer", "find what I bought before", "order it again in one step"),
    ("as a guest", "pay without an account", "am not asked for a password"),
    ("as a support agent", "see why a payment failed", "can help without asking the developers"),
]


@dataclass
class Comment:
    id: int
    author: str
    text: Text
    created_ms: int
    # The role that alone may see it; empty: everybody who sees the issue.
    role: str = ""


@dataclass
class File:
    id: int
    name: str
    content: bytes
    media_type: str
    author: str
    created_ms: int
    # What Jira says its size is, where that is not true.
    said_size: int | None = None


@dataclass
class Issue:
    id: int
    project: str
    number: int
    type: str
    summary: str
    text: Text
    status: str
    priority: str
    component: str
    assignee: str
    reporter: str
    labels: list[str]
    points: int | None
    criteria: Text
    created_ms: int
    updated_ms: int
    sprint: str = ""
    comments: list[Comment] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.project}-{self.number}"


class Project:
    """The issues, and what people do to them. Every change moves `updated` on, as in Jira."""

    def __init__(self, n_issues: int = 40, *, seed: int = 7, files: bool = True) -> None:
        self._random = random.Random(seed)
        self._next = 10_000
        self._numbers = dict.fromkeys(NAMES, 0)
        self.issues: dict[int, Issue] = {}
        self.now_ms = int(time.time() * 1000)
        for number in range(n_issues):
            self._generate(number, n_issues, files=files)

    def find(self, key: str) -> Issue:
        return next(each for each in self.issues.values() if each.key == key)

    def add(self, *, project: str = "SHOP", summary: str, text: Text = ()) -> Issue:
        """A new issue, by hand."""
        at = self.tick()
        self._numbers[project] += 1
        made = Issue(
            id=self._id(), project=project, number=self._numbers[project], type="Bug",
            summary=summary, text=text, status="Open", priority="Medium", component="Cart",
            assignee="", reporter="ada", labels=[], points=None, criteria=(), created_ms=at,
            updated_ms=at,
        )  # fmt: skip
        self.issues[made.id] = made
        return made

    def edit(self, key: str, **changes: object) -> Issue:
        """Change fields of an issue."""
        issue = self.find(key)
        self.issues[issue.id] = replace(issue, **changes, updated_ms=self.tick())  # type: ignore[arg-type]
        return self.issues[issue.id]

    def comment(self, key: str, text: str, *, author: str = "grace", role: str = "") -> Comment:
        issue = self.find(key)
        made = Comment(self._id(), author, [("p", text)], self.tick(), role)
        issue.comments.append(made)
        issue.updated_ms = made.created_ms
        return made

    def attach(
        self, key: str, name: str, content: bytes, media_type: str = "application/octet-stream"
    ) -> File:
        issue = self.find(key)
        made = File(self._id(), name, content, media_type, "ada", self.tick())
        issue.files.append(made)
        issue.updated_ms = made.created_ms
        return made

    def detach(self, key: str, name: str) -> None:
        issue = self.find(key)
        issue.files = [each for each in issue.files if each.name != name]
        issue.updated_ms = self.tick()

    def delete(self, key: str) -> None:
        del self.issues[self.find(key).id]

    def move(self, key: str, project: str) -> Issue:
        """To another project: it keeps its number for machines, and gets a new key."""
        self._numbers[project] += 1
        return self.edit(key, project=project, number=self._numbers[project])

    def tick(self) -> int:
        """The time now, later than every time before."""
        self.now_ms = max(self.now_ms + 1, int(time.time() * 1000))
        return self.now_ms

    def _id(self) -> int:
        self._next += 1
        return self._next

    def _generate(self, number: int, of: int, *, files: bool) -> None:
        pick = self._random.choice
        project = "PAY" if number % 4 == 3 else "SHOP"
        area = pick(list(_AREAS[project]))
        part = pick(_AREAS[project][area])
        self._numbers[project] += 1
        created = self.now_ms - (of - number) * DAY_MS // 4 - 2 * DAY_MS
        story = number % 5 == 4
        text, summary = self._story(area, part) if story else self._bug(area, part)
        issue = Issue(
            id=self._id(), project=project, number=self._numbers[project],
            type="Story" if story else "Bug", summary=summary, text=text,
            status=pick(["Open", "In Progress", "In Review", "Done"]),
            priority=pick(["Low", "Medium", "High", "Highest"]), component=area,
            assignee=pick([*PEOPLE, ""]), reporter=pick(list(PEOPLE)),
            labels=sorted(self._random.sample(["regression", "mobile", "a11y", "flaky", "i18n"], 2)),
            points=pick([None, 1, 2, 3, 5, 8]),
            criteria=[("ul", [f"The {part} works with the keyboard", f"A test covers the {part}"])] if story else (),
            created_ms=created, updated_ms=created + self._random.randrange(DAY_MS),
            sprint=f"Sprint {number // 10 + 1}",
        )  # fmt: skip
        for _ in range(self._random.randrange(4)):
            author = pick(list(PEOPLE))
            said = pick(
                [
                    f"Reproduced with {pick(_BROWSERS)}; the {part} behaves the same there.",
                    f"The {part} is covered by the smoke suite since build {pick(range(400, 500))}.",
                    f"Fixed on the branch fix/{area.lower()}-{number}, please verify the {part}.",
                ]
            )
            issue.comments.append(Comment(self._id(), author, [("p", said)], issue.updated_ms))
        if number and number % 6 == 0:
            issue.blocks.append(pick(list(self.issues)))
        if files:
            self._files(issue, number, part)
        self.issues[issue.id] = issue

    def _bug(self, area: str, part: str) -> tuple[Text, str]:
        fault, expected, seen = self._random.choice(_FAULTS)
        browser = self._random.choice(_BROWSERS)
        build = self._random.randrange(400, 500)
        text: Text = [
            ("p", f"The {part} {fault}. Seen on build {build} with {browser}."),
            ("h", 2, "Steps to reproduce"),
            ("ol", [f"Open the {area.lower()} page", f"Use the {part}", "Go on to the next step and back"]),
            ("h", 2, "Expected and actual"),
            ("table", [["", "Result"], ["Expected", expected], ["Actual", seen]]),
            ("panel", f"Blocks the release check of {area}."),
            ("code", f"WARN {area.lower()}.{part.split()[0].lower()} build={build} status=422"),
        ]  # fmt: skip
        return text, f"The {part} {fault}"

    def _story(self, area: str, part: str) -> tuple[Text, str]:
        who, want, so_that = self._random.choice(_WISHES)
        text: Text = [
            ("p", f"{who.capitalize()} I want to {want} so that I {so_that}."),
            ("h", 3, "Notes"),
            ("ul", [f"The {part} is the place for it", f"Design review with the {area} team"]),
            ("mention", "mary", PEOPLE["mary"][0], "has the drafts"),
            ("quote", f"Customers ask for this in every interview about {area.lower()}."),
        ]
        return text, f"{area}: {want}"

    def _files(self, issue: Issue, number: int, part: str) -> None:
        made: list[tuple[str, bytes, str]] = []
        if number % 4 == 0:
            log = (
                f"12:00:01 INFO open {part}\n12:00:02 ERROR {issue.key} order 77-{number} failed\n"
            )
            made.append(("console.log", log.encode(), "text/plain"))
        if number % 9 == 1:
            made.append(("advice.pdf", samples.pdf(), "application/pdf"))
        if number % 10 == 2:
            rows = f"case,result\n{part},failed\nlogin,passed\n"
            made.append(("results.csv", rows.encode(), "text/csv"))
        if number % 13 == 5:
            made.append(("plan", samples.docx(), "application/octet-stream"))
        for name, content, media_type in made:
            at = issue.created_ms
            issue.files.append(File(self._id(), name, content, media_type, issue.reporter, at))
