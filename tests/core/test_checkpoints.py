"""A signed line that says how far the log had come, and what it shows that the log alone cannot."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, delete

from tests.builders import ACCOUNT, NOW
from tests.desk import Desk
from worker.audit.checkpoints import (
    ForgedCheckpointError,
    fingerprint,
    marks,
    private_key,
    public_key,
    read,
    sign,
)
from worker.errors import UsageError
from worker.store import schema
from worker.store.trail.audit import Entry, append, heads
from worker.store.trail.verification import Broken, Mark, Verified, verify_all

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = "f" * 32
LINE = sign(KEY, [(ACCOUNT, 7, "a" * 64)], "2026-11-21T05:00:00.000000Z")


def test_what_was_signed_can_be_read() -> None:
    """With the public key alone; it is one line of JSON."""
    assert LINE.count(b"\n") == 1
    statement = read(LINE, KEY.public_key())
    assert marks([statement, statement])[ACCOUNT] == [Mark(7, "a" * 64, "2026-11-21T05:00:00.000000Z")] * 2


def test_any_changed_bit_voids_it() -> None:
    """Nothing in the line can be another without the key's owner."""
    for at in range(len(LINE) - 1):
        for bit in range(8):
            forged = LINE[:at] + bytes([LINE[at] ^ 1 << bit]) + LINE[at + 1 :]
            with pytest.raises(ForgedCheckpointError):
                read(forged, KEY.public_key())


def test_another_key_voids_it() -> None:
    """A forger can sign, but not as this key."""
    with pytest.raises(ForgedCheckpointError, match="names the key"):
        read(LINE, Ed25519PrivateKey.generate().public_key())
    stranger = Ed25519PrivateKey.generate()
    line = sign(stranger, [(ACCOUNT, 7, "b" * 64)], "now")
    theirs, ours = (fingerprint(key.public_key()).encode() for key in (stranger, KEY))
    with pytest.raises(ForgedCheckpointError, match="not by this key"):
        read(line.replace(theirs, ours), KEY.public_key())


@pytest.mark.parametrize(
    "text", ["", "secret", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_what_is_no_key_is_said_without_showing_it(text: str) -> None:
    """The message names the setting and how to make a key."""
    with pytest.raises(UsageError, match="openssl genpkey") as error:
        private_key(text)
    assert "AAAA" not in str(error.value)
    assert "secret" not in str(error.value)
    with pytest.raises(UsageError, match=r"audit\.pub: is not .* openssl pkey"):
        public_key(text, "audit.pub")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_keys_are_made_with_openssl(tmp_path: Path) -> None:
    """The two lines that the documents give make keys that fit each other."""
    for command in ("genpkey -algorithm ed25519 -out audit.key", "pkey -in audit.key -pubout -out audit.pub"):
        subprocess.run(["openssl", *command.split()], cwd=tmp_path, check=True, capture_output=True)  # noqa: S607
    line = sign(private_key((tmp_path / "audit.key").read_text()), [], "now")
    assert read(line, public_key((tmp_path / "audit.pub").read_text(), "audit.pub")).heads == ()


async def grow(desk: Desk, count: int, *, tag: str = "") -> Mark:
    """Some more records; returns where the log is then."""
    entries = [Entry("decided", {"n": n, "tag": tag}) for n in range(count)]
    await desk.run(append, ACCOUNT, NOW, entries)
    return (await now(desk))[ACCOUNT]


async def now(desk: Desk) -> dict[str, Mark]:
    """What a checkpoint would say."""
    return {account: Mark(seq, digest, "noon") for account, seq, digest in await desk.run(heads)}


async def check(desk: Desk, *kept: Mark) -> Verified:
    """What verification says of the log against these checkpoints."""
    (found,) = await desk.run(verify_all, {ACCOUNT: kept})
    return found


def cut(last: int, digest: str) -> Callable[[Connection], None]:
    """Takes records off the end and sets the head back, as a careful forger would."""

    def write(conn: Connection) -> None:
        conn.execute(delete(schema.audit).where(schema.audit.c.seq > last))
        conn.execute(schema.audit_head.update().values(seq=last, hash=digest))

    return write


def forget(conn: Connection) -> None:
    """Empties the log, head and all."""
    conn.execute(delete(schema.audit))
    conn.execute(delete(schema.audit_head))


async def test_a_log_that_grew_agrees_with_every_checkpoint(desk: Desk) -> None:
    """In whatever order they are given."""
    kept = [await grow(desk, 3), await grow(desk, 3)]
    await grow(desk, 3)
    assert await check(desk, *kept) == await check(desk, *reversed(kept)) == Verified(ACCOUNT, 9, None)


async def test_a_log_cut_off_at_its_end_is_found(desk: Desk) -> None:
    """Without a checkpoint it looks whole: that is what checkpoints are for."""
    kept = [await grow(desk, 3), await grow(desk, 3)]
    await desk.run(cut(4, await _hash(desk, 4)))
    assert (await check(desk)).broken is None
    told = "record 5 is missing: the checkpoint of noon names 6 records"
    assert await check(desk, *kept) == Verified(ACCOUNT, 4, Broken(5, told))


async def test_a_log_that_was_emptied_is_found(desk: Desk) -> None:
    """Even where nothing of the account is left at all."""
    kept = await grow(desk, 3)
    await desk.run(forget)
    assert (await check(desk)).broken is None
    found = await check(desk, kept)
    assert found.broken is not None
    assert found.broken.seq == 1


async def test_a_log_that_was_written_anew_is_found(desk: Desk) -> None:
    """Its chain fits together, yet it is another one; earlier checkpoints say since when."""
    kept = [await grow(desk, 3), await grow(desk, 3), await grow(desk, 3)]
    await desk.run(cut(4, await _hash(desk, 4)))
    await grow(desk, 9, tag="forged")
    assert (await check(desk)).broken is None
    found = await check(desk, *kept)
    assert found.records == 3
    assert found.broken is not None
    assert found.broken.seq == 6
    assert "a record from 4 on was written anew" in found.broken.why


async def test_a_log_of_another_account_does_not_stand_in(desk: Desk) -> None:
    """A checkpoint is of one account; where that is gone, it is said so."""
    mark = await grow(desk, 1)
    found = await desk.run(verify_all, {OTHER: [mark]})
    assert [one.broken and one.broken.seq for one in found] == [None, 1]


async def _hash(desk: Desk, seq: int) -> str:
    return str((await desk.audit())[seq - 1]["hash"])
