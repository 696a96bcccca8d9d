"""Lists that nobody has looked through for long: exclusions and permissions outlive their reasons."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from worker.playbooks.context import Lists
from worker.playbooks.problems import Problem


def due(lists: Lists, today: date, days: int) -> Iterator[Problem]:
    """Each list whose last review is older than so many days, lies ahead, or is not known."""
    for name, (path, line, day) in sorted(lists.reviews.items()):
        age = None if day is None else (today - day).days
        if age is not None and -1 <= age <= days:  # it may be tomorrow elsewhere
            continue
        if age is None:
            what = f"the list {name} does not say when it was last looked through"
        elif age < 0:
            what = f"the list {name} was last looked through on {day}, which is still to come"
        else:
            what = f"the list {name} was last looked through on {day}, {age} days ago; at most {days} are expected"
        remedy = f"take out what is gone, then write `# reviewed: {today}` on a line of its own"
        yield Problem(path, line, "", what, remedy)
