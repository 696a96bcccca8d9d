"""`worker audit verify` and `worker audit checkpoint`: proof that the log is whole, and that it still is the same."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from worker.cli.common import Database, database
from worker.cli.printing import Json, print_json, say
from worker.clock import iso
from worker.errors import UsageError
from worker.store.tools import Connection
from worker.store.trail import audit
from worker.store.trail.verification import Mark, Verified, verify_all

if TYPE_CHECKING:  # cryptography loads only where a checkpoint is made or checked
    from worker.audit.checkpoints import PublicKey, Statement

STDOUT = Path("-")
NOT_WHOLE = (
    "next: `worker pause`, then `worker backup FILE` to keep it as it is; docs/audit.md says how to go on"
)


class Doubt(NamedTuple):
    """A line of a checkpoint file that proves nothing."""

    file: Path
    line: int
    why: str


def verify(
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="A file that `audit checkpoint` has written; may be given several times."),
    ] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(
            help="The Ed25519 public key, in PEM, that checkpoints are checked with; default that of WORKER_AUDIT_KEY."
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Recomputes the chain: exit code 1 names the first record that was edited, deleted, inserted or moved.

    With checkpoints also what was cut off at the end, and a log that was written anew as a whole.
    """
    if public_key and not checkpoint:
        raise UsageError("--public-key: needs --checkpoint FILE, whose signatures it checks")
    with database() as db:
        statements, doubts = _read_all(checkpoint or [], _key(db, public_key)) if checkpoint else ([], [])
        with db.stream() as conn:
            results = _verified(conn, db.account_id, statements)
    intact = not doubts and all(one.broken is None for one in results)
    if json_:
        print_json(_as_json(results, doubts, checked=len(statements), ok=intact))
    else:
        _tell(results, doubts, statements)
        if not intact:
            say(NOT_WHOLE, sys.stderr)
    raise typer.Exit(0 if intact else 1)


def checkpoint(
    file: Annotated[Path, typer.Argument(help="Gets one line; `-` for stdout. Keep it on another machine.")],
    json_: Json = False,
) -> None:
    """Adds one signed line to FILE that says how far the log has come; `audit verify --checkpoint FILE` checks it.

    First verifies the log, also against the lines that FILE has already: exit code 1 and no line where it is not whole.
    Needs WORKER_AUDIT_KEY_FILE, an Ed25519 private key: (umask 077; openssl genpkey -algorithm ed25519 -out audit.key)
    """
    from worker.audit.checkpoints import private_key, sign  # noqa: PLC0415

    if json_ and file == STDOUT:
        raise UsageError("--json: stdout is the checkpoint's already; name a FILE")
    with database() as db:
        key = private_key(db.settings.audit_key())
        earlier, doubts = _read_all([file] if file != STDOUT and file.exists() else [], key.public_key())
        with db.stream() as conn:
            results = _verified(conn, db.account_id, earlier)
            signed = audit.heads(conn)
        if doubts or any(one.broken for one in results):
            _tell(results, doubts, earlier, to=sys.stderr)
            raise typer.Exit(1)
    _append(file, sign(key, signed, iso(time.time())))
    if json_:
        print_json({"file": str(file), "accounts": {account: seq for account, seq, _ in signed}})
    elif file != STDOUT:
        for account, seq, _ in signed:
            say(f"{account}: {seq} records, signed in {file}")


def _verified(conn: Connection, account_id: str, statements: list[Statement]) -> list[Verified]:
    named: dict[str, list[Mark]] = {account_id: []}
    if statements:
        from worker.audit.checkpoints import marks  # noqa: PLC0415

        named |= marks(statements)
    return verify_all(conn, named)


def _key(db: Database, path: Path | None) -> PublicKey:
    from worker.audit.checkpoints import MAKE_PUBLIC_KEY, private_key, public_key  # noqa: PLC0415

    if path is not None:
        return public_key(_bytes(path, "--public-key").decode("ascii", "replace"), f"--public-key: {path}")
    if not db.settings.has_audit_key():
        raise UsageError(f"--checkpoint: needs --public-key FILE; make it: {MAKE_PUBLIC_KEY}")
    return private_key(db.settings.audit_key()).public_key()


def _read_all(files: list[Path], key: PublicKey) -> tuple[list[Statement], list[Doubt]]:
    from worker.audit.checkpoints import ForgedCheckpointError, read  # noqa: PLC0415

    statements: list[Statement] = []
    doubts: list[Doubt] = []
    for file in files:
        lines = _bytes(file, "--checkpoint").splitlines()
        if not lines:
            doubts.append(Doubt(file, 1, "is not a checkpoint"))
        for number, line in enumerate(lines, 1):
            try:
                statements.append(read(line, key))
            except ForgedCheckpointError as error:
                doubts.append(Doubt(file, number, str(error)))
    return statements, doubts


def _bytes(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: cannot read {path}: {error.strerror}; name a readable file") from None


def _append(file: Path, line: bytes) -> None:
    if file == STDOUT:
        sys.stdout.write(line.decode())
        return
    try:
        with file.open("ab", buffering=0) as out:
            out.write(line)
            os.fsync(out.fileno())
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}; name a file in a writable folder") from None


def _tell(results: list[Verified], doubts: list[Doubt], statements: list[Statement], to: Any = None) -> None:
    for doubt in doubts:
        say(f"{doubt.file}:{doubt.line}: {doubt.why}", to=to)
    for one in results:
        if one.broken is None:
            against = sum(head.account_id == one.account_id for said in statements for head in said.heads)
            proof = (
                f"; {against} {'checkpoint agrees' if against == 1 else 'checkpoints agree'}"
                if against
                else ""
            )
            say(f"{one.account_id}: {one.records} records, intact{proof}", to=to)
        else:
            first = f"record {one.broken.seq} is the first bad one: {one.broken.why}"
            say(f"{one.account_id}: {first} ({one.records} intact before it)", to=to)


def _as_json(results: list[Verified], doubts: list[Doubt], *, checked: int, ok: bool) -> dict[str, Any]:
    return {
        "ok": ok,
        "accounts": [
            {
                "account_id": one.account_id,
                "records": one.records,
                "first_bad": one.broken._asdict() if one.broken else None,
            }
            for one in results
        ],
        "checkpoints": checked,
        "bad_checkpoints": [{**doubt._asdict(), "file": str(doubt.file)} for doubt in doubts],
    }
