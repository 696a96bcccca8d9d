"""Follows a page as its reader does: saves its files, types its commands, and compares what it says will be printed.

- A fenced `python file=NAME` block is saved; in a `diff file=NAME` block the lines with `-` give way to those with `+`.
- In a `console` block lines that begin with `$ ` are commands, the others their output. `exit=1` after `console` is the
  expected exit code. With `terminal=NAME` the command goes on in another terminal: the output is its first lines, a later
  block without a command what comes next, and `^C` ends it.
- Ids, times, versions and ports differ from run to run. Where the page shows one, any other of its kind may come; the
  same one again means the same, also in commands. A line `...` stands for any lines, ` ...` at a line's end for its rest.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from signal import SIGINT

from tests.acceptance.bench import Bench, Process, until
from tests.authors.fences import Block, blocks

_VARIES = re.compile(
    r"(?P<sparkline>[\u2581-\u2588]+)"
    r"|(?P<mail>\b\w{16}-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d-\d{8}\b)"
    r"|(?P<time>\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|\+00:00)?)"
    r"|(?P<clock>\b\d\d:\d\d:\d\d\.\d{3}Z)"
    r"|(?P<port>127\.0\.0\.1:\d+)"
    r"|(?P<sha256>\b[0-9a-f]{64}\b)"
    r"|(?P<id>\b(?=[a-z]*\d)[0-9a-hjkmnp-tv-z]{16}\b)"
    r"|(?P<version>\b[0-9a-f]{12}\b)"
    r"|(?P<pid>(?<=process )\d+)"
    r"|(?P<seconds>\b\d+(?:\.\d+)? ?m?s\b)"
)
"""What differs from run to run; the name is what it is."""
_NAMES = {"mail", "port", "sha256", "id", "version"}
"""Kinds of which one stands for the same thing wherever it is written."""
_ANY, _REST = "...", " ..."
PATIENCE = 100.0
"""Seconds for one command: a reader has more patience than a test."""


def steps(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Each command with the output that the page shows; output before the first command has an empty one."""
    command, output = "", list[str]()
    for line in block.text.replace("\\\n", " ").splitlines():
        if line.startswith("$ ") or line == "^C":
            if command or output:
                yield command, output
            command, output = line.removeprefix("$ "), []
        else:
            output.append(line)
    if command or output:
        yield command, output


@dataclass
class Reader:
    """Somebody at the bench who follows the page to the letter. `known`: what a name of the page is in this run."""

    bench: Bench
    not_run: frozenset[str] = frozenset()
    known: dict[str, str] = field(default_factory=dict)
    terminals: dict[str, Process] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)
    """How many lines of a terminal have been compared."""

    async def follow(self, page: str) -> None:
        """Does everything that the page says; AssertionError with its line where it says something else."""
        for block in blocks(page):
            try:
                await self._do(block)
            except AssertionError as error:
                raise AssertionError(f"line {block.line}: {error}") from None

    async def _do(self, block: Block) -> None:
        if "file" in block.attributes:
            self._edit(block)
        elif block.language == "console":
            for command, output in steps(block):
                if terminal := block.attributes.get("terminal"):
                    await self._in_terminal(terminal, command, output)
                elif command not in self.not_run:
                    await self._type(command, output, int(block.attributes.get("exit", 0)))

    def _edit(self, block: Block) -> None:
        path = self.bench.folder / block.attributes["file"]
        if block.language != "diff":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._meant(block.text), encoding="utf-8")
            return
        old, new = (
            "".join(line[1:] for line in block.text.splitlines(keepends=True) if line[0] in (sign, " "))
            for sign in "-+"
        )
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path.name} has not once\n{old}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    async def _type(self, command: str, output: Sequence[str], code: int) -> None:
        words = shlex.split(self._meant(command), comments=True)
        if words[0] == "export":
            self.bench.env |= dict(word.split("=", 1) for word in words[1:])
            return
        if words[0] == "worker":
            result = await (await self.bench.start(*words[1:])).wait(PATIENCE)
            came, ended = result.out + result.err, result.code
        else:
            came, ended = await self._shell(self._meant(command))
        assert ended == code, f"`{command}` ended with {ended}\n{came}"
        self._compare(command, output, came.splitlines())

    async def _shell(self, command: str) -> tuple[str, int]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", command, stdout=pipe, stderr=asyncio.subprocess.STDOUT,
            cwd=self.bench.folder, env=self.bench.env,
        )  # fmt: skip
        out, _ = await process.communicate()
        return out.decode(), process.returncode or 0

    async def _in_terminal(self, name: str, command: str, output: Sequence[str]) -> None:
        if command == "^C":
            process = self.terminals.pop(name)
            process.signal(SIGINT)
            result = await process.wait()
            assert result.code in (0, 130), result
            self._compare(command, output, result.out.splitlines()[self.shown[name] :])
            return
        if command:
            self.terminals[name] = await self.bench.start(*shlex.split(self._meant(command))[1:])
            self.shown[name] = 0
        await self._until_printed(name, command, output)

    async def _until_printed(self, name: str, command: str, output: Sequence[str]) -> None:
        lines: list[str] = []

        def there() -> bool:
            lines[:] = self.terminals[name].text().splitlines()[self.shown[name] :]
            return aligned([*output, _ANY], lines) is not None

        def told() -> str:
            return difference(command, output, lines)

        await until(there, PATIENCE, told)
        pairs = aligned([*output, _ANY], lines) or []
        self._compare(command, [*output, _ANY], lines)
        self.shown[name] += pairs[-1][1] + 1 if pairs else 0

    def _compare(self, command: str, output: Sequence[str], lines: Sequence[str]) -> None:
        if not output:
            return
        pairs = aligned(output, lines)
        assert pairs is not None, difference(command, output, lines)
        for expected, number in pairs:
            for mine, real in zip(_VARIES.finditer(expected), _VARIES.finditer(lines[number]), strict=False):
                if mine.lastgroup in _NAMES:
                    assert self.known.setdefault(mine[0], real[0]) == real[0], (
                        f"`{command}`: {mine[0]} is another one"
                    )

    def _meant(self, command: str) -> str:
        return _VARIES.sub(lambda one: self.known.get(one[0], one[0]), command)


def aligned(expected: Sequence[str], lines: Sequence[str], at: int = 0) -> list[tuple[str, int]] | None:
    """Each expected line with the number of the one that is like it; None where they are not alike."""
    if not expected:
        return [] if at == len(lines) else None
    first, *others = expected
    if first == _ANY:
        tries = (aligned(others, lines, start) for start in range(at, len(lines) + 1))
        return next((found for found in tries if found is not None), None)
    if at == len(lines) or not alike(first, lines[at]):
        return None
    rest = aligned(others, lines, at + 1)
    return None if rest is None else [(first, at), *rest]


def alike(expected: str, line: str) -> bool:
    """Whether they differ in nothing but what varies, and in how far columns are apart."""
    mine, real = _skeleton(expected), _skeleton(line)
    return real.startswith(mine.removesuffix(_REST)) if mine.endswith(_REST) else real == mine


def _skeleton(line: str) -> str:
    return " ".join(_VARIES.sub(lambda one: f"<{one.lastgroup}>", line).split())


def difference(command: str, expected: Sequence[str], lines: Sequence[str]) -> str:
    """Both, one under the other."""
    return "\n".join([f"`{command}` printed", *lines, "where the page has", *expected])
