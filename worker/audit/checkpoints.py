"""Checkpoints of the audit log: a signed line that says how far each account's log had come, to be kept elsewhere.

Whoever can write to the database can cut records off the log's end, or write all of it anew, so that it fits
together again. Neither fits a checkpoint that was made before and lies where they cannot write.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from worker.errors import UsageError, WorkerError
from worker.store.trail.verification import Mark

PublicKey = Ed25519PublicKey
_canonical = msgspec.json.Encoder(order="sorted").encode
MAKE_KEY = "(umask 077; openssl genpkey -algorithm ed25519 -out audit.key)"
MAKE_PUBLIC_KEY = "openssl pkey -in audit.key -pubout -out audit.pub"


class ForgedCheckpointError(WorkerError):
    """A line that is no checkpoint, or that was not signed by this key."""


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last record of one account's log."""

    account_id: str
    seq: int
    hash: str


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed: as canonical JSON, sorted keys and no spaces."""

    format: Literal["worker.audit.checkpoint/1"]
    at: str
    heads: tuple[Head, ...]
    key: str
    """The first 16 hex digits of the SHA-256 of the public key's 32 bytes: which key to look for."""


class Checkpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a checkpoint file; the signature is Ed25519 over the statement, in base64."""

    statement: Statement
    signature: str


_parse = msgspec.json.Decoder(Checkpoint).decode


def private_key(pem: str) -> Ed25519PrivateKey:
    """The key that signs. UsageError where the text is none."""
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            f"WORKER_AUDIT_KEY: is not an unencrypted Ed25519 private key in PEM; make one: {MAKE_KEY}"
        )
    return key


def public_key(pem: str, name: str) -> PublicKey:
    """The key that checkpoints are checked with, from the file called `name`. UsageError where it is none."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{name}: is not an Ed25519 public key in PEM; make it: {MAKE_PUBLIC_KEY}")
    return key


def fingerprint(key: PublicKey) -> str:
    """A short name for the key."""
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def sign(key: Ed25519PrivateKey, heads: Iterable[tuple[str, int, str]], at: str) -> bytes:
    """One line that says how far the logs have come."""
    statement = Statement(
        "worker.audit.checkpoint/1",
        at,
        tuple(Head(*head) for head in heads),
        fingerprint(key.public_key()),
    )
    signature = b64encode(key.sign(_canonical(statement))).decode()
    return _canonical(Checkpoint(statement, signature)) + b"\n"


def read(line: bytes, key: PublicKey) -> Statement:
    """What a line says. ForgedCheckpointError where it is not what this key has signed."""
    try:
        checkpoint = _parse(line)
        signature = b64decode(checkpoint.signature)
    except (msgspec.MsgspecError, ValueError):
        raise ForgedCheckpointError("is not a checkpoint") from None
    statement = checkpoint.statement
    if statement.key != fingerprint(key):
        raise ForgedCheckpointError(f"names the key {statement.key!a}, this one is {fingerprint(key)}")
    try:
        key.verify(signature, _canonical(statement))
    except InvalidSignature:
        raise ForgedCheckpointError("its signature is not by this key") from None
    if line.rstrip(b"\n") != _canonical(Checkpoint(statement, b64encode(signature).decode())):
        raise ForgedCheckpointError("is not written as a checkpoint is")
    return statement


def marks(statements: Sequence[Statement]) -> dict[str, list[Mark]]:
    """What the checkpoints say of each account's log."""
    found: dict[str, list[Mark]] = defaultdict(list)
    for statement in statements:
        for head in statement.heads:
            found[head.account_id].append(Mark(head.seq, head.hash, statement.at))
    return dict(found)
