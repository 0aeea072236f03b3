"""What was done on the way to a version and is not undone by a rollback. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from aaiclick.apply.rollback.path import Transition
from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.diff.conversion import values
from aaiclick.errors import SpecError
from aaiclick.plan.model import Step
from aaiclick.plan.operations import AlterWork, BackfillWork, ReplaceWork
from aaiclick.specs.server_objects.databases import DATABASE

_FOLLOWED = re.compile(
    r"(?:own table of the materialized view|(?:materialized )?view as its query gives it): "
    r"column .+?: (?P<old>.+) -> (?P<new>.+)"
)
# What no query and no INSERT of the older version shows: how values are stored, and what finds them faster.
_UNNOTICED = re.compile(
    r".+ is missing|comment .+|setting .+|(?:index|projection) .+|constraint .+ is no longer declared"
    r"|column .+?: (?:codec|comment|settings|statistics) .+|values of .+ are written into .+",
    re.DOTALL,
)
_RETYPED = re.compile(r": type .+ -> ", re.DOTALL)


@dataclass(frozen=True, slots=True)
class NotRestored:
    """What a rollback leaves as it is.

    ``words``: what the older code cannot work with. ``gone``: tables among these whose older form is not kept.
    ``notes``: what it can work with.
    """

    words: tuple[str, ...]
    gone: tuple[str, ...]
    notes: tuple[str, ...]


def find_not_restored(
    listed: Sequence[Transition],
    restored: Mapping[str, int],
    catalog: Catalog,
    renames: Mapping[str, str] | None = None,
    following: Collection[str] = (),
) -> NotRestored:
    """What of these transitions, oldest first, a rollback does not undo.

    ``restored``: for each table that is put back, the index of the first transition that this undoes. ``renames``: for
    each name that a table got, '' where it gets its former name back, else why not. ``following``: what reads
    tables and gets a form back that goes with them.
    """
    words: list[str] = []
    gone: list[str] = []
    notes: list[str] = []
    created: set[str] = set()
    for place, each in enumerate(listed):
        for step in each.steps:
            renamed = former_name(step)
            # Its rows come back under the name that the table has now.
            undone = step.object in restored and place >= restored[step.object] and not renamed
            if undone and isinstance(step.work, AlterWork) and step.work.frees_ttl:
                notes.append(f"{step.object} comes back without what was removed before it was copied ({step.change})")
            # What was done to a table that came on this way is nothing to the older version: it does not know the
            # table, under whatever name.
            if renamed in created:
                created.add(step.object)
            # '' stands for one that is taken back; what nobody asked about is not.
            kept = (renames or {}).get(step.object, "nobody asked") if renamed else ""
            if renamed and not kept:
                continue
            follows = step.object in following and step.strategy in ("replace", "alter", "mutate")
            undone = undone or (follows and not renamed)
            if undone or step.object in created or (step.optional and _still_there(step, catalog)):
                continue
            if _makes(step):
                created.add(step.object)
            if harmless := _harmless(step, catalog):
                notes.append(harmless)
            elif step.strategy in ("rebuild", "attach"):
                gone.append(step.object)
                words.append(
                    f"{step.object}: {step.change} (the table from before v{each.record.version} is not kept any more)"
                )
            elif renamed:
                why = f". It is not done here: {kept}" if renames else ""
                words.append(
                    f"{step.object}: {step.change} (rename it back before code of the older version starts: that would "
                    f"make an empty table {renamed}{why})"
                )
            else:
                words.append(f"{step.object}: {step.change}")
    return NotRestored(tuple(dict.fromkeys(words)), tuple(dict.fromkeys(gone)), tuple(dict.fromkeys(notes)))


def _harmless(step: Step, catalog: Catalog) -> str:
    """What is said of a step whose result does the older version no harm; '' for any other."""
    if _makes(step):
        return _stays(step, catalog)
    if step.object == DATABASE:
        return f"the database stays as it is ({step.change}): it does the older version no harm"
    # Only additions: the older version reads and writes what it always did.
    if step.strategy == "alter" and all(change.endswith(" is missing") for change in step.changes or (step.change,)):
        return f"{step.object} stays as it is: what was added ({step.change}) does the older version no harm"
    if step.strategy in ("alter", "mutate") and all(_unnoticed(each) for each in step.changes or (step.change,)):
        return f"{step.object} stays as it is: the older version does not notice what was changed ({step.change})"
    if _follows(step):
        return f"{step.object} stays as it is ({step.change}): it holds all that the older version writes"
    return ""


def _unnoticed(change: str) -> bool:
    # A name may hold anything, also what looks like another change.
    return _UNNOTICED.fullmatch(change) is not None and _RETYPED.search(change) is None


def _follows(step: Step) -> bool:
    """True for a view that got wider types along with its tables, and whose query is what it was. The tables come back;
    what the view stores itself holds their values all the same."""
    found = [_FOLLOWED.fullmatch(change) for change in step.changes or (step.change,)]
    return all(each is not None and _holds(each["new"], each["old"]) for each in found)


def _holds(new: str, old: str) -> bool:
    """True where no row has to be counted: each value of the old type is one of the new one."""
    if values.holds_null(old) and not values.holds_null(new):
        return False
    try:
        counts = values.unfit_rows("x", old, new), values.altered_rows("x", old, new), values.unproven(old, new)
        return not any(counts)
    except (SpecError, ValueError):
        return False


def former_name(step: Step) -> str:
    """What the table, view or dictionary was called before this step renamed it; '' for any other step."""
    if step.id.partition("@")[0] != f"{step.object}:rename" or not isinstance(step.work, ReplaceWork | BackfillWork):
        return ""
    # A view that is filled as well says that behind it.
    said = (step.changes or (step.change,))[0].removesuffix(f" is renamed to {step.object}")
    nouns = ("table ", "materialized view ", "view ", "dictionary ")
    noun = next((noun for noun in nouns if said.startswith(noun)), "")
    return said.removeprefix(noun)


def _makes(step: Step) -> bool:
    """True for a step that makes what was not there. A view that is filled is new, too."""
    return step.strategy == "create" or (step.strategy == "backfill" and step.id == f"{step.object}:create")


def _stays(step: Step, catalog: Catalog) -> str:
    # A fill that was begun is brought to its end, or undone, and then no view is there. A rollback reads the objects of
    # the older version alone: what it has not read may be there or not.
    told = step.strategy != "backfill" or step.object in catalog.objects
    return f"{step.object} stays{'' if told else ', if it was made'}: the older version does not know it"


def _still_there(step: Step, catalog: Catalog) -> bool:
    """Whether something that the code no longer declares was left alone when the plan was carried out: such steps are
    only taken where asked for."""
    live = catalog.objects.get(step.object)
    if live is None:
        return False
    column = re.search(r"(?:^|: )column (.+) is no longer declared", step.change)
    return column is None or not isinstance(live.form, TableForm) or live.form.column(column[1]) is not None
