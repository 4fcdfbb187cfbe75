"""Finding jobs by words of their name or error, and by tag, at a cost that a million jobs do not raise.

Every word of the query must begin a word of the name or error; case does not matter, the order
neither. What is no letter or digit only separates words: no character is an operator. In scripts
without spaces (Chinese, Japanese, Thai…) a word of the query is found anywhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from django.db import connection
from django.db.models import BooleanField, UUIDField, Value
from django.db.models.expressions import RawSQL

from jobs import access
from jobs.events import storable_text
from jobs.models import JobQuerySet
from jobs.search_index import UNSPACED
from jobs.sight import CHOSEN, DRIVING_ID, WALKED, count_up_to, narrowed_to, unnarrowed

# As far as a query looks that matches more than this: see `Matches.limited`.
CAP = 5_000
# Of so many of the newest jobs so many match: then they are met on the way through the jobs.
PROBED, DENSE = 5_000, 50
# The ids of fewer jobs than that are all compared with those of a tag that many have.
COMPARED = 50_000
MAX_CHARS = 200


@dataclass(frozen=True)
class Matches:
    """Jobs that match. `limited`: only the newest `CAP` matches (of those one may see) are in it.

    They are of those that have the words whole, where these alone are more than `CAP`.
    """

    jobs: JobQuerySet
    limited: bool = False


def matching(jobs: JobQuerySet, text: str, *, by: Any) -> Matches:
    """Those of `jobs` whose name or error has all words of `text`, or whose id it is.

    `by` is whose sight `jobs` was narrowed to. A text without letters and digits matches nothing.

    :raises ValueError: `text` is longer than `MAX_CHARS`.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"A search has at most {MAX_CHARS} characters.")
    try:
        return Matches(jobs.filter(pk=UUID(text.strip())))
    except ValueError:
        words = _words(text)
    if not words:
        return Matches(jobs.none())
    if connection.vendor == "postgresql":
        return _in_postgres(jobs, words, by)
    return _in_sqlite(jobs, words, by)


def tagged(jobs: JobQuerySet, tag: str) -> JobQuerySet:
    """Those of `jobs` that carry exactly this tag."""
    rows, params = _tagged_in_sight(tag, narrowed_to(jobs))
    if _count(f"{rows} LIMIT {CAP + 1}", params) <= CAP:
        return _among(jobs, rows, params)
    # By what else they are filtered, whoever may see them: an index has their ids.
    others = unnarrowed(jobs)
    count = count_up_to(others, COMPARED)
    if CAP < count < COMPARED and connection.vendor == "postgresql":
        # It merges what indexes have of both, in a fifth of the time that SQLite takes for it.
        sql, filters = others.order_by().values("pk").query.sql_with_params()
        return _among(jobs, f"{sql} INTERSECT SELECT * FROM ({rows}) tagged", [*filters, *params])
    if count < COMPARED or DRIVING_ID in jobs.query.annotations:
        has = "EXISTS (SELECT 1 FROM jobs_jobtag t WHERE t.tag = %s AND t.job_id = jobs_job.id)"
        return _where(jobs, has, [tag])
    # By way of the tags, which have an order too: the newest jobs may all be without it.
    driven = jobs.extra(  # no relation of a model leads there
        tables=["jobs_jobtag"],
        where=["jobs_jobtag.tag = %s", _of_tag()],
        params=[tag],
    )
    key = RawSQL("jobs_jobtag.job_id", [], output_field=UUIDField())
    return cast(JobQuerySet, driven.alias(**{DRIVING_ID: key}))


def _tagged_in_sight(tag: str, owner_id: Any) -> tuple[str, list[Any]]:
    """The ids of the tag's jobs that `owner_id` owns or that are shared; None: of all."""
    rows = "SELECT job_id FROM jobs_jobtag WHERE tag = %s"
    if owner_id is None:
        return rows, [tag]
    others = f"{rows} AND shared AND owner_id <> %s"
    return f"{rows} AND owner_id = %s UNION ALL {others}", [tag, owner_id, tag, owner_id]


def _of_tag() -> str:
    if connection.vendor == "postgresql":
        # Not by `=`: the planner would merge all jobs with the tag's.
        return "jobs_job.id = ANY (ARRAY[jobs_jobtag.job_id])"
    return "jobs_jobtag.job_id = jobs_job.id"


def _words(text: str) -> list[str]:
    words = storable_text(text).split()
    return [word for word in words if any(char.isalnum() for char in word)]


def _begins(word: str) -> bool:
    """Whether words that only begin with `word` count: one letter would begin too many."""
    return len(word) > 1


def _in_sqlite(jobs: JobQuerySet, words: list[str], by: Any) -> Matches:
    phrases = []
    for word in words:
        spaced = "".join(f" {char} " if _unspaced(char) else char for char in word)
        quoted = spaced.replace('"', " ")
        longer = _begins(word) and _begins_another(word)
        phrases.append(f'"{quoted}"*' if longer else f'"{quoted}"')
    scope = "" if access.is_admin(by) else f' AND {{scope}} : ("o{by.pk}" OR "shared")'
    ids: list[str] = []
    # Beginnings cost what all words have that begin so: asked for only where whole words are few.
    for words_so in dict.fromkeys((tuple(p.removesuffix("*") for p in phrases), tuple(phrases))):
        query = f"{{name error}} : ({' AND '.join(words_so)}){scope}"
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT kept.job_id FROM jobs_jobsearch_text "
                "JOIN jobs_jobsearch kept ON kept.id = jobs_jobsearch_text.rowid "
                "WHERE jobs_jobsearch_text MATCH %s "
                f"ORDER BY jobs_jobsearch_text.rowid DESC LIMIT {CAP + 1}",
                [query],
            )
            ids = [job_id for (job_id,) in cursor.fetchall()]
        if len(ids) > CAP:
            break
    # Read once: a page needs them for its rows and its count.
    chosen = "SELECT value FROM json_each(%s)"
    return Matches(_among(jobs, chosen, [json.dumps(ids[:CAP])]), len(ids) > CAP)


def _begins_another(word: str) -> bool:
    """SQLite: whether any word of all jobs begins with `word` and is longer, where that is known."""
    if not (word.isascii() and word.isalnum()):
        return True  # the index may split it, or see a letter otherwise
    word = word.lower()
    end = word[:-1] + chr(ord(word[-1]) + 1)
    # From behind the word itself, and not `>` it: its own rows would be passed over one by one.
    between = [word + "\x01", end]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM jobs_jobsearch_terms WHERE term >= %s AND term < %s LIMIT 1", between
        )
        return cursor.fetchone() is not None


def _in_postgres(jobs: JobQuerySet, words: list[str], by: Any) -> Matches:
    query = " && ".join(["jobs_search_query(%s, %s)"] * len(words))
    params: list[Any] = [value for word in words for value in (word, _begins(word))]
    mine, mine_params = query, params
    if not access.is_admin(by):
        mine = f"{query} && %s::tsquery"
        mine_params = [*params, f"'=o{by.pk}' | '=shared'"]
    rows = f"SELECT job_id FROM jobs_jobsearch WHERE terms @@ ({mine})"
    # An index of words gives all matches or none, in no order: where every other job matches, the
    # newest are met sooner on the way through the jobs, and nobody should have counted them all.
    newest = f"SELECT terms FROM jobs_jobsearch ORDER BY job_id DESC LIMIT {PROBED}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH probe AS MATERIALIZED (SELECT COUNT(*) AS n FROM ({newest}) newest "
            f"WHERE terms @@ ({query})) SELECT CASE WHEN n < {DENSE} THEN "
            f"ARRAY({rows} LIMIT {CAP + 1})::text[] END FROM probe",
            [*params, *mine_params],
        )
        [ids] = cursor.fetchone() or (None,)
    if ids is not None and len(ids) <= CAP:
        # Read once: a page needs them for its rows and its count.
        return Matches(_among(jobs, "SELECT unnest(%s::uuid[])", ["{" + ",".join(ids) + "}"]))
    # OFFSET: or the planner would make a join of it, and begin with all matches after all.
    matches = (
        "EXISTS (SELECT 1 FROM jobs_jobsearch s WHERE s.job_id = jobs_job.id "
        f"AND s.terms @@ ({query}) OFFSET 0)"
    )
    walked = jobs.alias(**{WALKED: Value(True)})
    if ids is not None:
        # Many, but long ago: begin with the last of them.
        last = rows.replace("SELECT job_id", "SELECT MAX(job_id::text)::uuid", 1)
        walked = _where(walked, f"jobs_job.id <= ({last})", mine_params)
    return Matches(_where(walked, matches, params))


def _among(jobs: JobQuerySet, rows: str, params: list[Any]) -> JobQuerySet:
    jobs = jobs.alias(**{CHOSEN: Value(True)})
    if connection.vendor == "postgresql":
        # Read once, then looked up: as a join the planner might walk all jobs instead.
        return _where(jobs, f"jobs_job.id = ANY(ARRAY({rows}))", params)
    return _where(jobs, f"jobs_job.id IN ({rows})", params)


def _where(jobs: JobQuerySet, condition: str, params: list[Any]) -> JobQuerySet:
    return jobs.filter(RawSQL(condition, params, output_field=BooleanField()))


def _count(rows: str, params: list[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM ({rows}) found", params)
        return int(cursor.fetchone()[0])


def _unspaced(char: str) -> bool:
    lows, highs = UNSPACED[::3], UNSPACED[2::3]
    return any(low <= char <= high for low, high in zip(lows, highs, strict=True))
