from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from worker.errors import UsageError
from worker.model.actions import Mode
from worker.model.plans import Ceilings
from worker.settings import EITHER, EXAMPLES, Settings, load, misspelt

ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353"
CANARY = "canary-0123456789-token"
SECONDS = (
    "WORKER_POLL_INTERVAL",
    "WORKER_POLL_OVERLAP",
    "WORKER_INITIAL_LOOKBACK",
    "WORKER_READ_BACK_DELAY",
    "WORKER_DRAIN_TIMEOUT",
    "WORKER_APPROVAL_TIMEOUT",
)
COUNTS = (
    "WORKER_REQUEST_BUDGET",
    "WORKER_CAP_PER_POLL",
    "WORKER_CAP_PER_HOUR",
    "WORKER_CAP_PER_DAY",
    "WORKER_MOVE_BATCH",
)
CHOICES = {
    "WORKER_MODE": ("shadow", "approve", "enforce"),
    "WORKER_KEEP_EVENTS": ("decided", "all"),
    "WORKER_LOG_FORMAT": ("json", "console"),
    "WORKER_LOG_LEVEL": ("debug", "info", "warning", "error"),
    "WORKER_RECLASSIFY_VIA": ("investigate", "submissions"),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and none of our variables."""
    for name in list(os.environ):
        if name.startswith(("WORKER_", "CLOUDFLARE_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Env:
    """The environment of one test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def load(self, **values: str) -> Settings:
        """The settings with these variables."""
        for name, value in values.items():
            self._monkeypatch.setenv(name, value)
        return load()

    def refusal(self, **values: str) -> str:
        """The one line that the person gets who set these."""

        def start() -> None:
            settings = self.load(**values)
            settings.account()
            settings.token()

        with pytest.raises(UsageError) as caught:
            start()
        text = str(caught.value)
        assert "\n" not in text
        return text


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Env:
    """The environment."""
    return Env(monkeypatch)


def test_everything_but_account_and_token_has_a_default(env: Env) -> None:
    """And the default acts on nothing."""
    settings = env.load()
    assert settings.ceilings == Ceilings(Mode.SHADOW, 1000, 5000, per_day=None, share=None)
    assert settings.cloudflare_base_url == "https://api.cloudflare.com/client/v4"
    assert settings.database_url == "sqlite:///var/worker.db"
    assert (settings.worker_poll_interval, settings.worker_poll_overlap) == (30.0, 900.0)
    assert (settings.worker_initial_lookback, settings.worker_request_budget) == (86400.0, 600)
    assert (settings.worker_read_back_delay, settings.worker_drain_timeout) == (30.0, 20.0)
    assert (settings.worker_keep_events, settings.worker_http_bind) == ("decided", "127.0.0.1:8080")
    assert (settings.worker_log_format, settings.worker_log_level) == ("json", "info")
    assert settings.worker_rules_dir == Path("rules")


def test_the_environment_sets_everything(env: Env) -> None:
    """Numbers of seconds may be fractions, choices are read in any case."""
    settings = env.load(
        CLOUDFLARE_API_TOKEN=CANARY,
        CLOUDFLARE_ACCOUNT_ID=ACCOUNT.upper(),
        CLOUDFLARE_BASE_URL="http://127.0.0.1:8787/client/v4/",
        WORKER_MODE="Enforce",
        WORKER_POLL_INTERVAL="0.5",
        WORKER_HTTP_BIND="",
    )
    assert settings.token()() == CANARY
    assert settings.account() == ACCOUNT
    assert settings.cloudflare_base_url == "http://127.0.0.1:8787/client/v4"
    assert settings.mode is Mode.ENFORCE
    assert (settings.worker_poll_interval, settings.worker_http_bind) == (0.5, "")


def test_settings_are_frozen(env: Env) -> None:
    """Nobody changes the operator's choices at run time."""
    settings: Any = env.load()
    with pytest.raises(ValueError, match="frozen"):
        settings.worker_mode = "enforce"


@pytest.mark.parametrize(
    "name, value, what",
    [
        *[(name, "0", "greater than 0") for name in (*SECONDS, *COUNTS)],
        *[(name, "-1", "greater than 0") for name in (*SECONDS, *COUNTS)],
        *[(name, "soon", "valid number") for name in SECONDS],
        *[(name, "", "valid number") for name in SECONDS],
        *[(name, "inf", "finite") for name in SECONDS],
        *[(name, "nan", "") for name in SECONDS],
        *[(name, "1e12", "less than or equal to 315360000") for name in SECONDS],
        *[(name, "9" * 20, "less than or equal to") for name in COUNTS],
        ("WORKER_RETENTION_DAYS", "1e6", "less than or equal to 3650"),
        ("WORKER_LIST_REVIEW_DAYS", "99999", "less than or equal to 3650"),
        *[(name, "1.5", "valid integer") for name in COUNTS],
        *[(name, "many", "valid integer") for name in COUNTS],
        *[("WORKER_CAP_SHARE", share, "") for share in ("0", "1.01", "-0.5", "nan", "half")],
        ("WORKER_MOVE_BATCH", "1001", "less than or equal to 1000"),
        *[(name, "sometimes", "") for name in CHOICES],
        *[(name, "", "") for name in CHOICES],
        ("CLOUDFLARE_ACCOUNT_ID", "123", "must be 32 hexadecimal digits"),
        ("CLOUDFLARE_ACCOUNT_ID", "z" * 32, "must be 32 hexadecimal digits"),
        ("CLOUDFLARE_ACCOUNT_ID", "", "must be 32 hexadecimal digits"),
        ("CLOUDFLARE_BASE_URL", "http://api.cloudflare.com", "clear text"),
        ("CLOUDFLARE_BASE_URL", "ftp://127.0.0.1", ""),
        ("CLOUDFLARE_BASE_URL", "nonsense", ""),
        ("CLOUDFLARE_BASE_URL", "", ""),
    ],
)
def test_a_wrong_value_is_one_line_with_name_and_example(env: Env, name: str, value: str, what: str) -> None:
    """Which variable, what is wrong with it, and how it is right."""
    text = env.refusal(**{"CLOUDFLARE_API_TOKEN": CANARY, "CLOUDFLARE_ACCOUNT_ID": ACCOUNT, name: value})
    assert text.startswith(f"{name}: ")
    assert what in text
    assert f"for example {EXAMPLES[name.lower()]}" in text
    assert CANARY not in text


@pytest.mark.parametrize("name", CHOICES)
def test_a_wrong_choice_names_all_choices(env: Env, name: str) -> None:
    """Nobody has to look them up."""
    text = env.refusal(CLOUDFLARE_API_TOKEN=CANARY, CLOUDFLARE_ACCOUNT_ID=ACCOUNT, **{name: "sometimes"})
    assert all(choice in text for choice in CHOICES[name])


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_may_be_written_in_any_case(env: Env, name: str) -> None:
    """As people write INFO."""
    for choice in CHOICES[name]:
        assert str(getattr(env.load(**{name: choice.upper()}), name.lower())) == choice


@pytest.mark.parametrize("name", ["CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"])
def test_a_missing_value_is_named(env: Env, name: str) -> None:
    """With an example, only where it is needed."""
    given = {"CLOUDFLARE_API_TOKEN": CANARY, "CLOUDFLARE_ACCOUNT_ID": ACCOUNT}
    del given[name]
    assert env.refusal(**given) == f"{name}: is required but not set; for example {EXAMPLES[name.lower()]}"


@pytest.mark.parametrize("token", ["two words", "läuft", "tab\tbed", "nul\x1b[31m"])
def test_a_token_that_cannot_be_one_is_refused_without_its_value(env: Env, token: str) -> None:
    """It was copied with something beside it; the header would be broken by it."""
    text = env.refusal(CLOUDFLARE_API_TOKEN=token, CLOUDFLARE_ACCOUNT_ID=ACCOUNT)
    assert text.startswith("CLOUDFLARE_API_TOKEN: ")
    assert token not in text


@pytest.mark.parametrize("token", ["", "   "])
def test_an_empty_token_is_none(env: Env, token: str) -> None:
    """Containers set empty variables."""
    assert "is required but not set" in env.refusal(CLOUDFLARE_API_TOKEN=token, CLOUDFLARE_ACCOUNT_ID=ACCOUNT)


def test_a_token_is_trimmed(env: Env) -> None:
    """A newline at its end is no part of it."""
    assert env.load(CLOUDFLARE_API_TOKEN=f" {CANARY}\n").token()() == CANARY


def test_the_token_may_stand_in_a_file(env: Env, folder: Path) -> None:
    """As secrets are mounted into containers."""
    (folder / "token").write_text(f"{CANARY}\n")
    assert env.load(CLOUDFLARE_API_TOKEN_FILE=str(folder / "token")).token()() == CANARY


def test_a_token_file_is_read_again_when_it_changes(env: Env, folder: Path) -> None:
    """Rotation needs no restart; a file that is being replaced keeps the last token."""
    file = folder / "token"
    file.write_text("first")
    token = env.load(CLOUDFLARE_API_TOKEN_FILE=str(file)).token()
    assert token() == "first"
    (folder / "next").write_text("second")
    (folder / "next").replace(file)
    assert token() == "second"
    file.unlink()
    assert token() == "second"
    file.write_text("")
    assert token() == "second"
    (folder / "next").write_text("third")
    (folder / "next").replace(file)
    assert token() == "third"
    assert "third" not in repr(token)


def test_a_token_file_that_cannot_be_read_is_named(env: Env, folder: Path) -> None:
    """With the path and the reason."""
    given = {"CLOUDFLARE_ACCOUNT_ID": ACCOUNT, "CLOUDFLARE_API_TOKEN_FILE": str(folder / "none")}
    assert env.refusal(**given) == (
        f"CLOUDFLARE_API_TOKEN_FILE: cannot read {folder / 'none'}: No such file or directory; name a readable file, "
        "for example CLOUDFLARE_API_TOKEN_FILE=/run/secrets/value"
    )
    (folder / "binary").write_bytes(b"\xff\xfe")
    given["CLOUDFLARE_API_TOKEN_FILE"] = str(folder / "binary")
    assert "it is not text" in env.refusal(**given)


def test_token_and_token_file_together_are_refused(env: Env, folder: Path) -> None:
    """Which one is meant cannot be known."""
    (folder / "token").write_text("other")
    text = env.refusal(CLOUDFLARE_API_TOKEN=CANARY, CLOUDFLARE_API_TOKEN_FILE=str(folder / "token"))
    assert "CLOUDFLARE_API_TOKEN_FILE are both set; keep one" in text
    assert CANARY not in text


def test_an_empty_token_file_variable_is_none(env: Env) -> None:
    """Containers set empty variables."""
    assert env.load(CLOUDFLARE_API_TOKEN=CANARY, CLOUDFLARE_API_TOKEN_FILE="").token()() == CANARY


def test_the_database_url_may_stand_in_a_file(env: Env, folder: Path) -> None:
    """It may hold a password. The variable itself wins."""
    (folder / "url").write_text("sqlite:////data/worker.db\n")
    given = {"WORKER_DATABASE_URL_FILE": str(folder / "url")}
    assert env.load(**given).database_url == "sqlite:////data/worker.db"
    assert env.load(**given, WORKER_DATABASE_URL="sqlite:///x.db").database_url == "sqlite:///x.db"


def test_a_database_url_file_that_cannot_be_read_is_named(env: Env) -> None:
    """With the path and the reason."""
    assert env.refusal(WORKER_DATABASE_URL_FILE="/none").startswith(
        "WORKER_DATABASE_URL_FILE: cannot read /none"
    )


def test_no_secret_is_ever_printed(env: Env) -> None:
    """Not by a repr in a log or a traceback."""
    settings = env.load(CLOUDFLARE_API_TOKEN=CANARY, WORKER_DATABASE_URL="postgresql://ann:hunter2@db/worker")
    printed = f"{settings!r} {settings} {settings.model_dump()}"
    assert CANARY not in printed
    assert "hunter2" not in printed


def write_toml(folder: Path, **values: Any) -> None:
    """`worker.toml` in the working directory."""
    lines = (f"{name} = {value!r}" for name, value in values.items())
    (folder / "worker.toml").write_text("\n".join(lines))


def test_worker_toml_sets_what_the_environment_does_not(env: Env, folder: Path) -> None:
    """In any case of the names."""
    write_toml(folder, WORKER_MODE="approve", worker_poll_interval=5, CLOUDFLARE_API_TOKEN=CANARY)
    settings = env.load(WORKER_POLL_INTERVAL="7")
    assert (settings.mode, settings.worker_poll_interval) == (Mode.APPROVE, 7.0)
    assert settings.token()() == CANARY


def test_a_token_of_the_environment_beats_a_token_file_of_worker_toml(env: Env, folder: Path) -> None:
    """And the other way round: the environment wins."""
    (folder / "token").write_text("from-file")
    write_toml(folder, CLOUDFLARE_API_TOKEN_FILE=str(folder / "token"))
    assert env.load().token()() == "from-file"
    assert env.load(CLOUDFLARE_API_TOKEN=CANARY).token()() == CANARY


def test_a_token_file_of_the_environment_beats_a_token_of_worker_toml(env: Env, folder: Path) -> None:
    """The environment wins."""
    (folder / "token").write_text("from-file")
    write_toml(folder, CLOUDFLARE_API_TOKEN=CANARY)
    assert env.load(CLOUDFLARE_API_TOKEN_FILE=str(folder / "token")).token()() == "from-file"


def test_the_environments_database_file_beats_worker_toml(env: Env, folder: Path) -> None:
    """The environment wins."""
    (folder / "url").write_text("sqlite:///from-file.db")
    write_toml(folder, WORKER_DATABASE_URL="sqlite:///toml.db")
    assert env.load().database_url == "sqlite:///toml.db"
    settings = env.load(WORKER_DATABASE_URL_FILE=str(folder / "url"))
    assert settings.database_url == "sqlite:///from-file.db"


def test_worker_toml_may_name_a_database_file_too(env: Env, folder: Path) -> None:
    """It holds the same keys as the environment."""
    (folder / "url").write_text("sqlite:///from-file.db")
    write_toml(folder, WORKER_DATABASE_URL_FILE=str(folder / "url"))
    assert env.load().database_url == "sqlite:///from-file.db"
    assert env.load(WORKER_DATABASE_URL="sqlite:///env.db").database_url == "sqlite:///env.db"


def test_an_unknown_name_in_worker_toml_is_refused_with_a_guess(env: Env, folder: Path) -> None:
    """A typing error must not leave the default in force."""
    write_toml(folder, WORKER_MODUS="enforce")
    assert env.refusal() == "worker.toml: WORKER_MODUS is not a setting; did you mean WORKER_MODE?"
    write_toml(folder, colour="blue")
    assert env.refusal() == "worker.toml: colour is not a setting; see README.md for the names"


def test_a_name_in_two_cases_in_worker_toml_is_refused(env: Env, folder: Path) -> None:
    """Nobody can know which of the two is meant."""
    write_toml(folder, WORKER_MODE="shadow", worker_mode="enforce")
    assert env.refusal() == "worker.toml: worker_mode stands there twice, in different letters; keep one"


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/urandom"])
def test_a_file_without_end_is_no_secret(env: Env, path: str) -> None:
    """A mistyped path must not eat the memory."""
    told = env.refusal(CLOUDFLARE_ACCOUNT_ID="0" * 32, CLOUDFLARE_API_TOKEN_FILE=path)
    assert told.startswith(f"CLOUDFLARE_API_TOKEN_FILE: {'cannot read ' if 'urandom' in path else ''}{path}")


@pytest.mark.parametrize("text", [b"WORKER_MODE = shadow", b"[[[", b"\xff\xfe"])
def test_a_broken_worker_toml_is_one_line(env: Env, folder: Path, text: bytes) -> None:
    """With an example of how a line looks."""
    (folder / "worker.toml").write_bytes(text)
    told = env.refusal()
    assert told.startswith("worker.toml: ")
    assert 'WORKER_MODE = "shadow"' in told


@pytest.mark.parametrize("name", ["CLOUDFLARE_API_TOKEN", "WORKER_DATABASE_URL"])
def test_a_secret_of_the_wrong_type_in_worker_toml_is_not_quoted(env: Env, folder: Path, name: str) -> None:
    """Only its name is."""
    write_toml(folder, **{name: 4711001})
    told = env.refusal()
    assert told.startswith(f"{name}: ")
    assert "4711001" not in told


def test_a_wrong_value_in_worker_toml_is_named_like_a_variable(env: Env, folder: Path) -> None:
    """It is the same setting."""
    write_toml(folder, WORKER_REQUEST_BUDGET=-5)
    assert env.refusal().startswith("WORKER_REQUEST_BUDGET: ")


def test_a_switch_is_no_number_in_worker_toml(env: Env, folder: Path) -> None:
    """`true` would be a budget of one request."""
    (folder / "worker.toml").write_text("WORKER_REQUEST_BUDGET = true\nWORKER_POLL_INTERVAL = true\n")
    assert env.refusal().startswith(("WORKER_REQUEST_BUDGET: ", "WORKER_POLL_INTERVAL: "))


def test_every_setting_has_an_example_that_is_right(env: Env) -> None:
    """What an error line tells people to write must work."""
    files = [f"{name}_file" for name in EITHER]
    assert set(EXAMPLES) == {name for name in Settings.model_fields if name not in files}
    for name, example in EXAMPLES.items():
        variable, _, value = example.partition("=")
        assert variable.startswith(name.upper())
        if variable == name.upper():
            env.load(**{variable: value})


@pytest.mark.parametrize("text, value", [("", None), ("0.25", 0.25), ("1", 1.0)])
def test_a_share_may_be_set_or_not(monkeypatch: pytest.MonkeyPatch, text: str, value: float | None) -> None:
    """An empty variable is one that is not set."""
    monkeypatch.setenv("WORKER_CAP_SHARE", text)
    monkeypatch.setenv("WORKER_CAP_PER_DAY", "")
    ceilings = load().ceilings
    assert (ceilings.share, ceilings.per_day) == (value, None)


def test_where_notifications_go_may_stand_in_files(env: Env, folder: Path) -> None:
    """Address and key; nothing is told where no address is set."""
    assert env.load().notify() is None
    (folder / "url").write_text("https://hooks.example/T0\n")
    (folder / "secret").write_text("0123456789abcdef\n")
    files = {
        "WORKER_NOTIFY_URL_FILE": str(folder / "url"),
        "WORKER_NOTIFY_SECRET_FILE": str(folder / "secret"),
    }
    target = env.load(**files).notify()
    assert target is not None
    assert (str(target.url), target.secret) == ("https://hooks.example/T0", b"0123456789abcdef")
    assert repr(target) == "Target()"


@pytest.mark.parametrize(
    "wrong",
    [
        {"WORKER_NOTIFY_URL": "http://hooks.example/T0CANARY"},
        {"WORKER_NOTIFY_URL": "https://hooks.example/T0CANARY", "WORKER_NOTIFY_SECRET": "T0CANARY"},
    ],
)
def test_where_notifications_go_is_checked_and_not_told(env: Env, wrong: dict[str, str]) -> None:
    """The error names the variable that is wrong, the last one."""
    with pytest.raises(UsageError) as caught:
        env.load(**wrong).notify()
    assert str(caught.value).startswith(f"{list(wrong)[-1]}: ")
    assert "T0CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    "name, meant",
    [
        ("WORKER_CAP_PER_POL", "WORKER_CAP_PER_POLL"),
        ("WORKER_MDOE", "WORKER_MODE"),
        ("CLOUDFLARE_ACCOUNTID", "CLOUDFLARE_ACCOUNT_ID"),
        ("WORKER_SERVICE_HOST", ""),
        ("WORKER_PORT", ""),
        ("WORKER_PORT_8080_TCP_ADDR", ""),
        ("WORKER_MODE", ""),
    ],
)
def test_a_variable_that_nobody_reads_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    """Those by which an orchestrator names a service called worker are none."""
    monkeypatch.setenv(name, "1")
    assert misspelt() == ({name: meant} if meant else {})
