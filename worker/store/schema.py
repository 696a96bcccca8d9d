"""Tables of the outbox. Times are seconds since the epoch, UTC; texts in JSON are canonical (sorted keys)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from worker.model.actions import LIVE
from worker.model.kinds import KINDS

metadata = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"},
)


_WHERE = "where"


def complete(dialect: str) -> MetaData:
    """The tables for one dialect, ready to be created: naming it any earlier would load every dialect at each start."""
    for table in metadata.tables.values():
        for index in table.indexes:
            if condition := index.info.get(_WHERE):
                index.dialect_options[dialect]["where"] = text(condition)
    return metadata


def _account() -> Column[str]:
    return Column("account_id", String(32), primary_key=True)


def _where(condition: str) -> dict[str, Any]:
    """The condition of a partial index, on either engine; `complete` puts it in place."""
    return {"info": {_WHERE: condition}}


_LIVE = f"state IN ({', '.join(repr(str(state)) for state in LIVE)})"
CONFIRMED = f"kind IN ({', '.join(repr(name) for name, kind in KINDS.items() if kind.confirmed)})"
"""What the vendor's records confirm later. A query says it in these words, or the index does not serve it."""
_EVENT_KEY = ("source", "key", "revision")


def _event_key() -> list[Column[str]]:
    return [Column(name, Text, primary_key=True) for name in _EVENT_KEY]


# The seen-set: one short row for each message and report, with its current revision. Its key is a digest, because
# the names themselves would make the tree three times as large, and every page of a backlog rewrites most of it.
events = Table(
    "events",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    Column("revision", Text, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("occurred_at", Float),
    sqlite_with_rowid=False,
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    Column("account_id", String(32), nullable=False),
    *[Column(name, Text, nullable=False) for name in _EVENT_KEY],
    Column("body", Text, nullable=False),
    Column("stored_at", Float, nullable=False),
)

# What decisions rested on beside their events: compressed JSON under its own SHA-256.
enrichments = Table(
    "enrichments",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    Column("account_id", String(32), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("stored_at", Float, nullable=False),
)

waiting = Table(
    "waiting",
    metadata,
    _account(),
    *_event_key(),
    Column("body", Text, nullable=False),
    Column("first_seen_at", Float, nullable=False),
)

parked = Table(
    "parked",
    metadata,
    _account(),
    *_event_key(),
    # A playbook's id; `file:<name>` where a whole file could not be loaded.
    Column("playbook", Text, primary_key=True),
    Column("evidence_id", LargeBinary(16), nullable=False),
    Column("version", Text, nullable=False),
    Column("error", Text, nullable=False),
    # False where the playbook was in quarantine: it is asked as soon as that is over.
    Column("asked", Boolean, nullable=False),
    Column("parked_at", Float, nullable=False),
    # When what it waits for is fetched again; NULL where only another version of the playbook can help.
    Column("due_at", Float),
    # Times in a row that it could not be fetched.
    Column("tries", Integer, nullable=False),
    Index("ix_parked_due", "account_id", "source", "due_at", **_where("due_at IS NOT NULL")),
)

quarantine = Table(
    "quarantine",
    metadata,
    _account(),
    Column("source", Text, primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("row_id", Text),
    Column("reason", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Column("seen_at", Float, nullable=False),
)

cursors = Table(
    "cursors",
    metadata,
    _account(),
    Column("source", Text, primary_key=True),
    Column("watermark", Float, nullable=False),
    # No window ever reaches back before the first poll's start: the operator limited the reach.
    Column("floor", Float, nullable=False),
    Column("swept_at", Float, nullable=False),
)

polls = Table(
    "polls",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), nullable=False),
    Column("source", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("window_start", Float, nullable=False),
    Column("window_end", Float, nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("closed_at", Float),
    Column("rows", Integer, nullable=False, default=0),
    Column("new_events", Integer, nullable=False, default=0),
    Index(
        "ix_polls_open",
        "account_id",
        "source",
        **_where("closed_at IS NULL"),
    ),
)

plans = Table(
    "plans",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", String(32), nullable=False),
    Column("poll_id", String(32), nullable=False),
    Column("playbook", Text, nullable=False),
    Column("playbook_version", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("actions", Integer, nullable=False),
    Column("held_because", Text),
    Column("closed_at", Float),
    Index("ix_plans_poll", "poll_id"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("account_id", String(32), nullable=False),
    Column("poll_id", String(32), nullable=False),
    Column("plan_id", Text, nullable=False),
    Column("action_id", String(32), nullable=False),
    Column("playbook", Text, nullable=False),
    Column("playbook_version", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("per_poll", Integer, nullable=False),
    Column("per_hour", Integer, nullable=False),
    Column("per_day", Integer),
    Column("share", Float),
    Column("decided_at", Float, nullable=False),
    Index("ix_decisions_poll", "poll_id"),
    Index("ix_decisions_action", "action_id"),
)

actions = Table(
    "actions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), nullable=False),
    Column("plan_id", Text, nullable=False),
    Column("poll_id", String(32), nullable=False),
    Column("source", Text, nullable=False),
    Column("event_key", Text, nullable=False),
    Column("event_revision", Text, nullable=False),
    # What gave rise to it, and what most kinds act on.
    Column("message_id", Text, nullable=False),
    # What it acts on where that is not the message; empty once its effect is over and bars nothing any more.
    Column("subject", Text),
    Column("rfc_message_id", Text),
    Column("postfix_id", Text, nullable=False),
    # A digest of the address that the message came from: what the history of a sender is found by. None of trials.
    Column("sender", LargeBinary(16)),
    Column("recipients", Text, nullable=False),
    Column("verdict", Text),
    Column("is_submission", Boolean, nullable=False),
    Column("message_from", Float),
    Column("message_until", Float),
    Column("playbook", Text, nullable=False),
    Column("playbook_version", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("params", Text, nullable=False),
    # The folder that the message was in before, as the vendor's log showed it when it was looked at.
    Column("origin", Text),
    # The id of the action that this one undoes; empty otherwise.
    Column("cause", Text, nullable=False, default=""),
    Column("mode", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("error", Text),
    Column("lane", Text, nullable=False),
    Column("due_at", Float),
    Column("attempts", Integer, nullable=False, default=0),
    # Times in a row that its call was not accepted, or that its message could not be read before acting; what the
    # delay before the next one grows with.
    Column("refusals", Integer, nullable=False, default=0),
    Column("read_backs", Integer, nullable=False, default=0),
    # How many messages may share the call that carries this action; halved when a bulk call is refused.
    Column("batch", Integer, nullable=False),
    # When the vendor last confirmed that acting still makes sense; NULL: look before acting.
    Column("verified_at", Float),
    Column("call_id", String(32)),
    Column("submitted_at", Float),
    Column("lease_until", Float),
    # When it left the hands of caps and approval; what the hourly caps count.
    Column("admitted_at", Float),
    Column("approved_at", Float),
    Column("approved_by", Text),
    # The approval that lets it go; it is checked again in the transaction that claims the action.
    Column("approval_id", String(32)),
    Column("held_until", Float),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Index(
        "uq_actions_live",
        "account_id",
        "message_id",
        "kind",
        "target",
        "cause",
        unique=True,
        **_where(f"subject IS NULL AND {_LIVE}"),
    ),
    Index(
        "uq_actions_live_subject",
        "account_id",
        "subject",
        "kind",
        "target",
        "cause",
        unique=True,
        **_where(f"subject <> '' AND {_LIVE}"),
    ),
    Index("ix_actions_subject", "account_id", "subject", **_where("subject IS NOT NULL")),
    Index("ix_actions_message", "account_id", "message_id"),
    Index("ix_actions_confirmed", "account_id", "postfix_id", **_where(CONFIRMED)),
    Index("ix_actions_sender", "sender", "created_at", **_where("sender IS NOT NULL")),
    Index("ix_actions_due", "account_id", "state", "lane", "due_at", "id"),
    Index("ix_actions_poll", "poll_id"),
    Index("ix_actions_call", "call_id", **_where("call_id IS NOT NULL")),
    Index("ix_actions_admitted", "account_id", "admitted_at", **_where("admitted_at IS NOT NULL")),
)

# Entries of the tenant's settings that actions have made: what an undo may delete, and what expires.
entries = Table(
    "entries",
    metadata,
    Column("action_id", String(32), primary_key=True),
    Column("account_id", String(32), nullable=False),
    Column("collection", Text, nullable=False),
    # The vendor's.
    Column("entry_id", Text, nullable=False),
    # What it said of itself then.
    Column("comments", Text, nullable=False),
    Column("expires_at", Float),
    # The action that takes it back, while there is one.
    Column("removal_id", String(32)),
    Column("ended_at", Float),
    Column("ended_because", Text),
    Index("ix_entries_standing", "account_id", "expires_at", **_where("ended_at IS NULL")),
    Index("ix_entries_entry", "account_id", "entry_id"),
)

# Sweeps whose siblings are, or were, looked for.
campaigns = Table(
    "campaigns",
    metadata,
    # The sweep's own action.
    Column("action_id", String(32), primary_key=True),
    Column("account_id", String(32), nullable=False),
    # What two sweeps for the same siblings have in common, and what is to be done to them.
    Column("subject", Text, nullable=False),
    Column("target", Text, nullable=False),
    # Whether it was wanted in shadow.
    Column("trial", Boolean, nullable=False),
    Column("began_at", Float, nullable=False),
    # Where the search begins, and until when late siblings are caught.
    Column("since", Float, nullable=False),
    Column("until", Float, nullable=False),
    # When the list was frozen; NULL: the siblings are still searched for.
    Column("frozen_at", Float),
    Column("plan_id", Text),
    # SHA-256 over the frozen list of messages.
    Column("digest", String(64)),
    # Of that list: all that were found, those that no mailbox holds, those that the filter has nothing against.
    Column("found", Integer),
    Column("out_of_reach", Integer),
    Column("benign", Integer),
    # Rows that the search read, and until when.
    Column("searched", Integer),
    Column("read_at", Float),
    Column("ended_at", Float),
    Column("ended_because", Text),
    Index("ix_campaigns_open", "account_id", **_where("ended_at IS NULL")),
)

# The siblings that were within reach, each with the action that stands for what its campaign wants.
members = Table(
    "members",
    metadata,
    Column("campaign_id", String(32), primary_key=True),
    Column("action_id", String(32), primary_key=True),
    Column("account_id", String(32), nullable=False),
    Column("poll_id", String(32), nullable=False),
    # Whether it came after the list was frozen.
    Column("late", Boolean, nullable=False),
    # Why a person has to approve just this one; empty where nobody has to.
    Column("asks", Text, nullable=False),
    Column("added_at", Float, nullable=False),
    Index("ix_members_poll", "poll_id"),
    Index("ix_members_action", "action_id"),
    sqlite_with_rowid=False,
)

# What a person let go: exactly these actions as they were then, until the approval ends.
approvals = Table(
    "approvals",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), nullable=False),
    # SHA-256 over the digests of all its actions.
    Column("digest", String(64), nullable=False),
    Column("actions", Integer, nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("approved_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("ended_because", Text),
    Index("ix_approvals_open", "account_id", "expires_at", **_where("ended_at IS NULL")),
)

approved_actions = Table(
    "approved_actions",
    metadata,
    Column("approval_id", String(32), primary_key=True),
    Column("action_id", String(32), primary_key=True),
    # SHA-256 over the action's identity and parameters as they were approved.
    Column("digest", String(64), nullable=False),
    sqlite_with_rowid=False,
)

buckets = Table(
    "buckets",
    metadata,
    _account(),
    Column("second", Integer, primary_key=True, autoincrement=False),
    Column("used", Integer, nullable=False),
)

# How far a person lets each playbook go; without a row here its decorator says it.
levels = Table(
    "levels",
    metadata,
    _account(),
    Column("playbook", Text, primary_key=True),
    Column("level", Text, nullable=False),
    # The code that was promoted or demoted; empty where it could not be loaded then.
    Column("version", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Float, nullable=False),
)

settings = Table(
    "settings",
    metadata,
    _account(),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated_at", Float, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    _account(),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("plan_id", Text),
    Column("action_id", Text),
    Column("call_id", Text),
    Column("message_id", Text),
    Column("body", Text, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_audit_action", "action_id"),
    Index("ix_audit_call", "call_id", **_where("call_id IS NOT NULL")),
    Index("ix_audit_message", "message_id"),
)

audit_head = Table(
    "audit_head",
    metadata,
    _account(),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)
