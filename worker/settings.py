"""The only reader of the environment. `worker.toml` may hold the same names; the environment wins."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from worker.errors import UsageError
from worker.model.actions import Mode
from worker.model.patterns import domain_pattern, malformed
from worker.model.plans import Ceilings
from worker.ops.bind import parse_bind
from worker.origin import check_base_url

if TYPE_CHECKING:
    from worker.webhook.target import Target

SECRETS = (
    "cloudflare_api_token",
    "worker_database_url",
    "worker_audit_key",
    "worker_notify_url",
    "worker_notify_secret",
)
"""Settings that may also be given as NAME_FILE, a path whose content is the value."""
EITHER = tuple(name for name in SECRETS if name != "worker_database_url")
"""Those of which only one of the two may be set."""
LONGEST_SECRET = 65_536
MISSPELT = 0.88
"""How alike two names are of which one is taken for a typing error of the other; 1 is the same."""
TOML = Path("worker.toml")

EXAMPLES = {
    "cloudflare_api_token": "CLOUDFLARE_API_TOKEN_FILE=/run/secrets/cloudflare_api_token",
    "cloudflare_account_id": "CLOUDFLARE_ACCOUNT_ID=023e105f4ecef8ad9ca31a8372d0c353",
    "cloudflare_base_url": "CLOUDFLARE_BASE_URL=https://api.cloudflare.com/client/v4",
    "worker_mode": "WORKER_MODE=shadow",
    "worker_rules_dir": "WORKER_RULES_DIR=rules",
    "worker_database_url": "WORKER_DATABASE_URL=sqlite:///var/worker.db",
    "worker_poll_interval": "WORKER_POLL_INTERVAL=30",
    "worker_poll_overlap": "WORKER_POLL_OVERLAP=900",
    "worker_initial_lookback": "WORKER_INITIAL_LOOKBACK=86400",
    "worker_request_budget": "WORKER_REQUEST_BUDGET=600",
    "worker_read_back_delay": "WORKER_READ_BACK_DELAY=30",
    "worker_cap_per_poll": "WORKER_CAP_PER_POLL=1000",
    "worker_cap_per_hour": "WORKER_CAP_PER_HOUR=5000",
    "worker_approval_timeout": "WORKER_APPROVAL_TIMEOUT=86400",
    "worker_cap_per_day": "WORKER_CAP_PER_DAY=20000",
    "worker_cap_share": "WORKER_CAP_SHARE=0.25",
    "worker_enrich_per_poll": "WORKER_ENRICH_PER_POLL=100",
    "worker_protected_domains": "WORKER_PROTECTED_DOMAINS=corp.example,corp.example.net",
    "worker_keep_events": "WORKER_KEEP_EVENTS=decided",
    "worker_http_bind": "WORKER_HTTP_BIND=127.0.0.1:8080",
    "worker_drain_timeout": "WORKER_DRAIN_TIMEOUT=20",
    "worker_log_format": "WORKER_LOG_FORMAT=json",
    "worker_log_level": "WORKER_LOG_LEVEL=info",
    "worker_move_batch": "WORKER_MOVE_BATCH=500",
    "worker_sweep_job_over": "WORKER_SWEEP_JOB_OVER=10000",
    "worker_retention_days": "WORKER_RETENTION_DAYS=90",
    "worker_audit_key": "WORKER_AUDIT_KEY_FILE=/run/secrets/worker_audit_key",
    "worker_reclassify_via": "WORKER_RECLASSIFY_VIA=investigate",
    "worker_list_review_days": "WORKER_LIST_REVIEW_DAYS=180",
    "worker_reload": "WORKER_RELOAD=auto",
    "worker_promote_matches": "WORKER_PROMOTE_MATCHES=50",
    "worker_notify_url": "WORKER_NOTIFY_URL_FILE=/run/secrets/worker_notify_url",
    "worker_notify_secret": "WORKER_NOTIFY_SECRET_FILE=/run/secrets/worker_notify_secret",
}


def _one_of(*choices: str) -> AfterValidator:
    def check(value: str) -> str:
        if value.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value.lower()

    return AfterValidator(check)


def _account(value: str) -> str:
    if len(value) != 32 or not set(value.lower()) <= set("0123456789abcdef"):  # noqa: PLR2004 - the vendor's format
        raise ValueError("must be 32 hexadecimal digits")
    return value.lower()


def _url(value: str) -> str:
    check_base_url(value)
    return value.rstrip("/")


def _no_switch(value: object) -> object:
    if isinstance(value, bool):  # which pydantic would take for 1 or 0
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic reports a ValueError only
    return value


def _no_text(value: object) -> object:
    return None if value == "" else value  # an empty variable is one that is not set


def _bind(value: str) -> str:
    if value:
        parse_bind(value)
    return value


def _split(value: object) -> object:
    return [part for part in value.replace(",", " ").split() if part] if isinstance(value, str) else value


def _domain(value: str) -> str:
    pattern = domain_pattern(value)
    if why := malformed(pattern):
        raise ValueError(f"{why}")
    return pattern.text


Domain = Annotated[str, AfterValidator(_domain)]
_ANY_CASE = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
MOST_DAYS, MOST_OF_ALL = 3650, 2**31 - 1
"""Ten years, and what every database can count: more is a mistake, and dates would overflow."""
MOST_SECONDS = MOST_DAYS * 86_400
Seconds = Annotated[float, Field(gt=0, le=MOST_SECONDS, allow_inf_nan=False), BeforeValidator(_no_switch)]
Count = Annotated[int, Field(gt=0, le=MOST_OF_ALL), BeforeValidator(_no_switch)]
Share = Annotated[float, Field(gt=0, le=1), BeforeValidator(_no_switch)]


class Settings(BaseSettings):
    """Every choice of the operator, validated and frozen. Times in seconds."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", case_sensitive=False, hide_input_in_errors=True
    )

    cloudflare_api_token: SecretStr | None = None
    cloudflare_api_token_file: Path | None = None
    cloudflare_account_id: Annotated[str, AfterValidator(_account)] | None = None
    cloudflare_base_url: Annotated[str, AfterValidator(_url)] = "https://api.cloudflare.com/client/v4"
    worker_mode: Annotated[str, _one_of("shadow", "approve", "enforce")] = "shadow"
    worker_rules_dir: Path = Path("rules")
    worker_database_url: SecretStr = SecretStr("sqlite:///var/worker.db")
    worker_poll_interval: Seconds = 30.0
    worker_poll_overlap: Seconds = 900.0
    worker_initial_lookback: Seconds = 86400.0
    worker_request_budget: Count = 600
    worker_read_back_delay: Seconds = 30.0
    worker_cap_per_poll: Count = 1000
    worker_cap_per_hour: Count = 5000
    worker_approval_timeout: Seconds = 86400.0
    worker_cap_per_day: Annotated[Count | None, BeforeValidator(_no_text)] = None
    worker_cap_share: Annotated[Share | None, BeforeValidator(_no_text)] = None
    worker_enrich_per_poll: Count = 100
    worker_protected_domains: Annotated[tuple[Domain, ...] | None, NoDecode, BeforeValidator(_split)] = None
    worker_keep_events: Annotated[str, _one_of("decided", "all")] = "decided"
    worker_http_bind: Annotated[str, AfterValidator(_bind)] = "127.0.0.1:8080"
    worker_drain_timeout: Seconds = 20.0
    worker_log_format: Annotated[Literal["json", "console"], _ANY_CASE] = "json"
    worker_log_level: Annotated[Literal["debug", "info", "warning", "error"], _ANY_CASE] = "info"
    worker_move_batch: Annotated[Count, Field(le=1000)] = 500
    worker_sweep_job_over: Annotated[Count | None, BeforeValidator(_no_text)] = None
    worker_retention_days: Annotated[Seconds, Field(ge=2, le=MOST_DAYS)] = 90.0
    worker_audit_key: SecretStr | None = None
    worker_audit_key_file: Path | None = None
    worker_reclassify_via: Annotated[Literal["investigate", "submissions"], _ANY_CASE] = "investigate"
    worker_promote_matches: Count = 20
    worker_list_review_days: Annotated[Count, Field(le=MOST_DAYS)] = 180
    worker_reload: Annotated[Literal["auto", "poll", "off"], _ANY_CASE] = "auto"
    worker_notify_url: SecretStr | None = None
    worker_notify_url_file: Path | None = None
    worker_notify_secret: SecretStr | None = None
    worker_notify_secret_file: Path | None = None

    @property
    def mode(self) -> Mode:
        """The ceiling for every playbook."""
        return Mode(self.worker_mode)

    @property
    def ceilings(self) -> Ceilings:
        """The operator's limits on plans."""
        return Ceilings(
            self.mode,
            self.worker_cap_per_poll,
            self.worker_cap_per_hour,
            self.worker_approval_timeout,
            per_day=self.worker_cap_per_day,
            share=self.worker_cap_share,
            protected=frozenset(self.worker_protected_domains or ()),
        )

    @property
    def database_url(self) -> str:
        """With its password, if it has one: never for a log."""
        return self.worker_database_url.get_secret_value()

    def account(self) -> str:
        """The account id; UsageError where it is missing."""
        if self.cloudflare_account_id is None:
            raise missing("cloudflare_account_id")
        return self.cloudflare_account_id

    def token(self) -> Callable[[], str]:
        """Gives the token as it is now: a token file is read again when it changes. UsageError where there is none."""
        if self.cloudflare_api_token_file not in (None, Path()):  # an empty variable is one that is not set
            return TokenFile(self.cloudflare_api_token_file)
        if self.cloudflare_api_token is None or not self.cloudflare_api_token.get_secret_value().strip():
            raise missing("cloudflare_api_token")
        value = _clean_token(self.cloudflare_api_token.get_secret_value())
        return lambda: value

    def has_audit_key(self) -> bool:
        """Whether a key is set that signs checkpoints of the audit log."""
        return self.worker_audit_key_file not in (None, Path()) or bool(self.worker_audit_key)

    def audit_key(self) -> str:
        """The key that signs checkpoints, in PEM. UsageError where there is none, or others could have read it."""
        if self.worker_audit_key_file not in (None, Path()):
            _refuse_open_to_others(self.worker_audit_key_file, "WORKER_AUDIT_KEY_FILE")
            return _read(self.worker_audit_key_file, "WORKER_AUDIT_KEY_FILE")
        if not self.worker_audit_key:
            raise missing("worker_audit_key")
        return self.worker_audit_key.get_secret_value()

    def notify(self) -> Target | None:
        """Where notifications go; None where nobody is told. UsageError where that is nowhere, or not safe."""
        from worker.webhook.target import Target, parse_secret, parse_url  # noqa: PLC0415 - for those who need it

        url, secret = (self._either(name) for name in ("worker_notify_url", "worker_notify_secret"))
        if not url:
            return None
        name = "worker_notify_url"
        try:
            known = parse_url(url)
            name = "worker_notify_secret"
            key = parse_secret(secret) if secret else b""
        except ValueError as error:
            raise UsageError(f"{name.upper()}: {error}; for example {_example(name)}") from None
        return Target(known, key)

    def _either(self, name: str) -> str:
        """A secret, given itself or in a file; empty where it is not."""
        path, value = getattr(self, f"{name}_file"), getattr(self, name)
        if path not in (None, Path()):
            return _read(path, f"{name.upper()}_FILE")
        return value.get_secret_value().strip() if value else ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[Any, ...]:
        """The environment first, then the files that it names, then worker.toml."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _Files(settings_cls), _Toml(settings_cls)


class _Files(PydanticBaseSettingsSource):
    """NAME_FILE for secrets other than the token, whose file is read at every change instead."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - its base's
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        path = os.environ.get("WORKER_DATABASE_URL_FILE")
        if not path or "WORKER_DATABASE_URL" in os.environ:
            return {}
        return {"worker_database_url": _read(Path(path), "WORKER_DATABASE_URL_FILE")}


class _Toml(PydanticBaseSettingsSource):
    """`worker.toml` in the working directory, names in any case."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - its base's
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        if not TOML.exists():
            return {}
        try:
            values = tomllib.loads(TOML.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(
                f'worker.toml: {error}; write NAME = value lines, as in WORKER_MODE = "shadow"'
            ) from None
        known = {*self.settings_cls.model_fields, "worker_database_url_file"}
        lowered: dict[str, Any] = {}
        for name, value in values.items():
            if name.lower() in lowered:
                raise UsageError(f"worker.toml: {name} stands there twice, in different letters; keep one")
            lowered[name.lower()] = value
            if name.lower() not in known:
                close = difflib.get_close_matches(name.lower(), known, 1)
                hint = f"; did you mean {close[0].upper()}?" if close else "; see README.md for the names"
                raise UsageError(f"worker.toml: {name} is not a setting{hint}")
        for name in EITHER:
            if os.environ.get(name.upper()):
                lowered.pop(f"{name}_file", None)
        path = lowered.pop("worker_database_url_file", None)
        if path and "worker_database_url" not in lowered and "WORKER_DATABASE_URL" not in os.environ:
            lowered["worker_database_url"] = _read(Path(str(path)), "WORKER_DATABASE_URL_FILE")
        return lowered


class TokenFile:
    """Reads the token again whenever its file changes; keeps the last one where the file cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._token = ""
        self._token = _clean_token(_read(path, "CLOUDFLARE_API_TOKEN_FILE"))

    def __call__(self) -> str:
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if stamp != self._stamp:
                token = _clean_token(self._path.read_text(encoding="utf-8"))
                self._token, self._stamp = token, stamp
        except (OSError, UnicodeDecodeError, UsageError):
            # A file that is being replaced: the next request looks again.
            return self._token
        return self._token

    def __repr__(self) -> str:
        return f"TokenFile({str(self._path)!r})"


def load() -> Settings:
    """Reads and validates the settings. UsageError: one line that names the variable, what is wrong, an example."""
    for name in EITHER:
        upper = name.upper()
        if os.environ.get(upper) and os.environ.get(f"{upper}_FILE"):
            raise UsageError(f"{upper} and {upper}_FILE are both set; keep one, for example {EXAMPLES[name]}")
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0])
        what = str(first["msg"]).removeprefix("Value error, ")
        raise UsageError(
            f"{name.upper()}: {what[:1].lower()}{what[1:]}; for example {_example(name)}"
        ) from None


def misspelt() -> dict[str, str]:
    """Names of the environment that look like a setting's and are none, each with the one that it may mean.

    Others that begin so are left alone: an orchestrator names services by such variables.
    """
    known = {*Settings.model_fields, "worker_database_url_file"}
    found: dict[str, str] = {}
    for name in sorted(os.environ):
        lowered = name.lower()
        if lowered.startswith(("worker_", "cloudflare_")) and lowered not in known:
            for close in difflib.get_close_matches(lowered, known, 1, MISSPELT):
                found[name] = close.upper()
    return found


def missing(name: str) -> UsageError:
    """A setting without a default that was not given."""
    return UsageError(f"{name.upper()}: is required but not set; for example {_example(name)}")


def _example(name: str) -> str:
    return EXAMPLES.get(name.removesuffix("_file"), name.upper())


def _read(path: Path, name: str) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LONGEST_SECRET + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(
            f"{name}: cannot read {path}: {reason}; name a readable file, for example {name}=/run/secrets/value"
        ) from None
    if len(text) > LONGEST_SECRET:
        raise UsageError(
            f"{name}: {path} holds more than {LONGEST_SECRET:,} characters; name the file of a secret"
        )
    return text


def _refuse_open_to_others(path: Path, name: str) -> None:
    """Who can read the key can sign whatever they make of the log; the group is left to those who mount secrets."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # reading it says why
    if mode & 0o027:
        raise UsageError(
            f"{name}: {path} may be read by everybody or changed by others (mode {mode & 0o777:04o}); chmod 600 {path}"
        )


def _clean_token(text: str) -> str:
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(
            "CLOUDFLARE_API_TOKEN: is empty or has characters that a token cannot have; "
            f"for example {EXAMPLES['cloudflare_api_token']}"
        )
    return token
