"""Fields by the names that people know them by."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from ingestion.jira.api import FieldInfo
from ingestion.jira.problems import JiraError

# Fields that are told as texts of their own, whoever asks for them.
TOLD_ANYWAY = frozenset({"summary", "description", "comment", "attachment"})
# Every field of its own that a Jira has for longer texts: acceptance criteria, say.
ALL_TEXTS = "*text"


def choose(wanted: Iterable[str], there: Sequence[FieldInfo]) -> list[FieldInfo]:
    """The fields that are meant, in the order in which they were asked for.

    By id, or by name in any case; where two fields have the same name, both. `*text` stands for
    all custom fields that hold longer texts.

    :raises JiraError: Jira has no such field.
    """
    chosen: dict[str, FieldInfo] = {}
    for name in wanted:
        plain = name.strip().casefold()
        if plain == ALL_TEXTS:
            chosen |= {each.id: each for each in there if each.custom and each.multiline}
            continue
        found = [each for each in there if each.id.casefold() == plain] or [
            each for each in there if each.name.casefold() == plain
        ]
        if not found:
            names = {each.name.casefold(): each.name for each in there}
            near = [names[each] for each in difflib.get_close_matches(plain, names, n=3)]
            hint = f" Did you mean {', '.join(near)}?" if near else ""
            raise JiraError(
                "unknown_field",
                f'Jira has no field "{name}" for this account.{hint}',
                field="fields",
            )
        chosen |= {each.id: each for each in found if each.id not in TOLD_ANYWAY}
    return list(chosen.values())
