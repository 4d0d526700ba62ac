"""Settings: a frozen dataclass read once from `ORFEAS_*`.

`ORFEAS_GPU_WAIT_S` is `Config.gpu_wait_s`. Each field names its reader, which converts and checks, and its meaning
with its unit. An unknown `ORFEAS_` name or a bad value stops the start.
"""

# ruff: noqa: RUF009 - `setting` makes a dataclass field.

from __future__ import annotations

import difflib
import fcntl
import ipaddress
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

PREFIX = "ORFEAS_"
LOOPBACK_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost")
MEGABYTE = 1_000_000
REDIS_IS_LATER = (
    "ORFEAS_REDIS_URL is for release 2 (shared cache tier and event bus between instances); unset it to start."
)


class ConfigError(Exception):
    """A setting that stops the start; the sentence says how to mend it."""


class Reader:
    """Converts and checks a value; `allowed` says in words what it takes."""

    def __init__(self, allowed: str, convert: Callable[[str], Any]) -> None:
        self.allowed = allowed
        self._convert = convert

    def __call__(self, value: str) -> Any:
        """Convert a value, or raise ValueError."""
        return self._convert(value)


def reads(allowed: str) -> Callable[[Callable[[str], Any]], Reader]:
    """Make a reader of a function."""
    return lambda convert: Reader(allowed, convert)


def whole(low: int, high: int | None = None) -> Reader:
    """Read an integer between `low` and `high`."""
    return Reader(_range(low, high), lambda text: _bounded(int(text), low, high))


def number(low: float, high: float | None = None) -> Reader:
    """Read a finite number between `low` and `high`."""
    return Reader(_range(low, high), lambda text: _bounded(float(text), low, high))


def _range(low: float, high: float | None) -> str:
    return f"{low} or more" if high is None else f"{low} to {high}"


def _bounded(value: Any, low: float, high: float | None) -> Any:
    if not low <= value <= (float("inf") if high is None else high) or value == float("inf"):
        raise ValueError(f"allowed: {_range(low, high)}")
    return value


def one_of(*allowed: str, fold: Callable[[str], str] = str.lower) -> Reader:
    """Read one of a few words, in any case."""

    @reads(", ".join(allowed))
    def read(text: str) -> str:
        word = fold(text)
        if word not in allowed:
            close = difflib.get_close_matches(word, allowed, 1)
            raise ValueError(f"allowed: {', '.join(allowed)}" + (f"; did you mean {close[0]}?" if close else ""))
        return word

    return read


@reads("1 or 0")
def switch(text: str) -> bool:
    """Read 1, 0, true, false, yes, no, on or off."""
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in words:
        raise ValueError("allowed: 1 or 0")
    return words[text.lower()]


@reads("text")
def text(value: str) -> str:
    """Read any text."""
    return value


@reads("path")
def folder(value: str) -> Path:
    """Read a path; `~` is the home folder."""
    return Path(value).expanduser().absolute()


@reads("comma list")
def names(value: str) -> tuple[str, ...]:
    """Read a comma list."""
    return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())


@reads("32 characters or more")
def secret(value: str) -> str:
    """Read a key of at least 32 characters."""
    if len(value) < 32:
        raise ValueError("at least 32 characters are needed")
    return value


@reads("http or https URL")
def web_url(value: str) -> str:
    """Read an http or https URL."""
    if not value.startswith(("http://", "https://")):
        raise ValueError("an http:// or https:// URL is needed")
    return value.rstrip("/")


@reads("sqlite:///... or postgresql://...")
def database(value: str) -> str:
    """Read the URL of a database."""
    if not value.startswith(("sqlite", "postgresql")):
        raise ValueError("sqlite:///... or postgresql://... is needed")
    return value


@reads("two letters")
def country(value: str) -> str:
    """Read an ISO 3166 code of two letters."""
    if len(value) != 2 or not value.isalpha():
        raise ValueError("a country code of two letters (ISO 3166) is needed")
    return value.upper()


def setting(default: Any, read: Reader, meaning: str) -> Any:
    """Declare a field: its default, how it is read, what it means and in which unit."""
    metadata = {"read": read, "meaning": meaning}
    return (
        field(default_factory=default, metadata=metadata)
        if callable(default)
        else field(default=default, metadata=metadata)
    )


def _half_the_cores() -> int:
    """half of the cores, 1 to 8"""
    return max(1, min(8, (os.cpu_count() or 2) // 2))


def _home() -> Path:
    """~/.local/share/orfeas"""
    return Path.home() / ".local" / "share" / "orfeas"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that can be set. `Config(data_dir=...)` is enough for a test."""

    host: str = setting("127.0.0.1", text, "address to bind")
    port: int = setting(5000, whole(0, 65535), "TCP port; 0 takes a free one")
    data_dir: Path = setting(_home, folder, "folder of the database and all files")
    model_dir: Path = setting(Path(), folder, "folder of model weights; `<data>/models` if not set")
    database_url: str = setting("", database, "sqlite or postgresql URL; sqlite in the data folder if not set")
    secret_key: str | None = setting(None, secret, "key that signs cursors of lists; made on first start if not set")
    auth: str = setting("auto", one_of("auto", "on", "off"), "whether keys are asked for; this release has none")
    allow_open: bool = setting(False, switch, "whether to serve other machines without keys")
    signed_url_s: int = setting(86_400, whole(1), "s that signed links live; without keys there are none")
    cors_origins: tuple[str, ...] = setting(("*",), names, "origins that browsers may call from, comma list")
    trust_proxy: int = setting(0, whole(0, 10), "number of proxies in front whose headers are believed")
    rate_limit_per_minute: int = setting(0, whole(0), "requests a minute for each key or address; 0 is off")
    max_upload_mb: int = setting(50, whole(1, 500), "MB (10^6 bytes) of a request body")
    max_image_pixels: int = setting(16_777_216, whole(1024), "pixels of an uploaded image")
    max_faces: int = setting(10_000_000, whole(100), "triangles of an uploaded mesh")
    allow_url_input: bool = setting(True, switch, "whether inputs may be given as URLs")
    queue_max: int = setting(100, whole(1), "runs that may wait")
    max_batch: int = setting(100, whole(1, 100), "items of a v1 batch")
    job_timeout_s: int = setting(1800, whole(1), "s a run may take")
    cpu_workers: int = setting(_half_the_cores, whole(1, 64), "cpu worker processes")
    gpu_batch_max: int = setting(16, whole(1), "items in one denoiser pass")
    gpu_wait_s: int = setting(600, whole(0), "s a stage waits for device memory before `gpu_memory`")
    gpu_memory_share: float = setting(0.8, number(0.05, 1.0), "share of the device's memory that is used")
    retention_h: int = setting(0, whole(0), "h after last use until files of jobs go; 0 keeps them")
    storage_max_mb: int = setting(0, whole(0), "MB of stored files above which work is refused; 0 is no cap")
    disk_reserve_mb: int = setting(256, whole(0), "MB of free disk below which work is refused")
    engine: str = setting("auto", one_of("auto", "hunyuan3d", "embedded"), "engine of a request that names none")
    model: str | None = setting(None, text, "id of the model that `auto` takes")
    device: str = setting("auto", one_of("auto", "cuda", "mps", "cpu"), "where models run")
    profile: str = setting("standard", one_of("standard", "enhanced", "ultra", "quantum"), "performance profile")
    text_to_image_model: str | None = setting(None, text, "folder or id of a text-to-image model")
    background_model: str | None = setting(None, text, "folder or id of a background removal model")
    model_idle_s: int = setting(900, whole(0), "s until unused weights are dropped; 0 never")
    offline: bool = setting(False, switch, "whether the network is never used")
    territory: str | None = setting(None, country, "ISO 3166 code of where this server is used")
    cache: bool = setting(True, switch, "whether finished stages are reused")
    cache_max_items: int = setting(1000, whole(0), "stages kept for reuse")
    cache_max_mb: int = setting(512, whole(0), "MB of stages kept for reuse")
    cache_ttl_s: int = setting(86_400, whole(0), "s that a stage is kept for reuse")
    latent_max_mb: int = setting(2048, whole(0), "MB of kept latents and fields")
    llm_url: str | None = setting(None, web_url, "URL of a language model's endpoint")
    llm_model: str | None = setting(None, text, "name of the language model")
    llm_api_key: str | None = setting(None, text, "key of the language model's endpoint")
    llm_timeout_s: int = setting(60, whole(1), "s a language model may take")
    llm_max_tokens: int = setting(4000, whole(1), "tokens of an answer")
    llm_temperature: float = setting(0.3, number(0.0, 2.0), "sampling temperature of the language model")
    blender: str | None = setting(None, text, "path of Blender, for fbx and blend")
    ffmpeg: str | None = setting(None, text, "path of ffmpeg, for mp4")
    log_level: str = setting(
        "INFO", one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", fold=str.upper), "least level that is logged"
    )
    log_format: str = setting("json", one_of("json", "text"), "form of log lines")
    debug: bool = setting(False, switch, "whether Flask's debug mode is on")
    notices: tuple[str, ...] = ()

    def without_secrets(self) -> Config:
        """For processes that work on files of strangers: no keys, and no way to the database."""
        return replace(self, secret_key=None, llm_api_key=None, database_url="sqlite://")

    def __post_init__(self) -> None:
        if self.model_dir == Path():
            object.__setattr__(self, "model_dir", self.data_dir / "models")
        if not self.database_url:
            object.__setattr__(self, "database_url", f"sqlite:///{self.data_dir / 'orfeas.db'}")

    @property
    def max_upload_bytes(self) -> int:
        """The largest request body."""
        return self.max_upload_mb * MEGABYTE

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, dotenv: Path | None = Path(".env")) -> Config:
        """Read and check everything; the environment wins over `.env`, new names over older ones.

        Raises
        ------
        ConfigError
            A name or value is wrong, or the combination would serve strangers.
        """
        found = {
            name: value
            for name, value in (os.environ if environ is None else environ).items()
            if name.startswith(PREFIX)
        }
        from_file, notices = read_dotenv(dotenv) if dotenv is not None and dotenv.is_file() else ({}, ())
        config = cls(**_convert({**from_file, **found}), notices=notices)
        check_exposure(config)
        return config


def settings() -> dict[str, Field[Any]]:
    """Every field that an environment variable sets, by the variable's name."""
    return {PREFIX + field.name.upper(): field for field in fields(Config) if "read" in field.metadata}


def _convert(found: Mapping[str, str]) -> dict[str, Any]:
    known = settings()
    values: dict[str, Any] = {}
    for name, value in found.items():
        if name == "ORFEAS_REDIS_URL" and value:
            raise ConfigError(REDIS_IS_LATER)
        if name not in known and name != "ORFEAS_REDIS_URL":
            raise ConfigError(f"{name} is no setting of orfeas." + _nearest(name, known))
        if value != "":
            values[known[name].name] = _read(name, value, known[name])
    return values


def _read(name: str, value: str, declared: Field[Any]) -> Any:
    shown = "(hidden)" if "KEY" in name else repr(value)
    try:
        return declared.metadata["read"](value.strip())
    except ValueError as error:
        raise ConfigError(f"{name}={shown} cannot be used ({declared.metadata['meaning']}): {error}.") from error


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, 1, 0.5)
    return f" Did you mean {close[0]}?" if close else ""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host.lower() in LOOPBACK_NAMES or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_exposure(config: Config) -> None:
    """Refuse to serve other machines by accident."""
    if config.auth == "on":
        raise ConfigError("ORFEAS_AUTH=on needs a stored key, and this release has no keys. Use auto or off.")
    if not is_loopback(config.host) and not config.allow_open:
        raise ConfigError(
            f"ORFEAS_HOST={config.host} can be reached from other machines and no key is stored. "
            "Set ORFEAS_ALLOW_OPEN=1 to let everybody who reaches it do everything, or bind 127.0.0.1."
        )


# Older names, read from `.env` only. Each maps to the new name.
_RENAMED = {
    "MAX_UPLOAD_MB": "ORFEAS_MAX_UPLOAD_MB",
    "CORS_ORIGINS": "ORFEAS_CORS_ORIGINS",
    "CACHE_MAX_SIZE": "ORFEAS_CACHE_MAX_ITEMS",
    "CACHE_MAX_MEMORY_MB": "ORFEAS_CACHE_MAX_MB",
    "CACHE_TTL_SECONDS": "ORFEAS_CACHE_TTL_S",
    "CLEANUP_AFTER_HOURS": "ORFEAS_RETENTION_H",
    "HUNYUAN3D_MODEL_PATH": "ORFEAS_MODEL_DIR",
    "HY3DGEN_MODELS": "ORFEAS_MODEL_DIR",
    "LLM_PRIMARY_MODEL": "ORFEAS_LLM_MODEL",
    "LLM_MAX_TOKENS": "ORFEAS_LLM_MAX_TOKENS",
    "LLM_TEMPERATURE": "ORFEAS_LLM_TEMPERATURE",
    "LOCAL_LLM_SERVER": "ORFEAS_LLM_URL",
    "LOCAL_LLM_MODEL": "ORFEAS_LLM_MODEL",
    "LOCAL_LLM_TEMPERATURE": "ORFEAS_LLM_TEMPERATURE",
}
_MODES = {"safe_fallback": "embedded", "full_ai": "auto", "powerful_3d": "auto"}
_NEVER_READ = {
    "DATABASE_URL": "ORFEAS_DATABASE_URL",
    "REDIS_URL": "ORFEAS_REDIS_URL (release 2)",
    "SECRET_KEY": "ORFEAS_SECRET_KEY",
    "LOG_LEVEL": "ORFEAS_LOG_LEVEL",
    "TESTING": "ORFEAS_DEBUG",
    "FLASK_ENV": "ORFEAS_DEBUG",
    "PRODUCTION": "ORFEAS_DEBUG",
}


def read_dotenv(path: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """New names and translated older names of a `.env` file, with a notice for each older one."""
    from dotenv import dotenv_values

    lines = {name: value or "" for name, value in dotenv_values(path, interpolate=False).items()}
    current = {name: value for name, value in lines.items() if name.startswith(PREFIX) and name != "ORFEAS_MODE"}
    older: dict[str, str] = {}
    notices = []
    for name, value in lines.items():
        if name in _NEVER_READ:
            notices.append(f"{path.name}: {name} is never read; use {_NEVER_READ[name]}.")
            continue
        for new_name, new_value in _translated(name, value, lines):
            older[new_name] = new_value
            notices.append(f"{path.name}: {name} is an older name; use {new_name}={new_value}.")
    if _denied(lines, "ENABLE_LOCAL_LLMS") or _denied(lines, "ENABLE_LLM_INTEGRATION"):
        older.pop("ORFEAS_LLM_URL", None)
    return {**older, **current}, tuple(notices)


def _translated(name: str, value: str, lines: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if name in _RENAMED and value:
        yield _RENAMED[name], value
    elif name == "RATE_LIMIT_PER_MINUTE" and _granted(lines, "ENABLE_RATE_LIMITING"):
        yield "ORFEAS_RATE_LIMIT_PER_MINUTE", value
    elif name == "DISABLE_RESULT_CACHE" and _granted(lines, name):
        yield "ORFEAS_CACHE", "0"
    elif name in ("SKIP_GPU_INIT", "SKIP_MODEL_LOAD") and _granted(lines, name):
        yield "ORFEAS_ENGINE", "embedded"
    elif name in ("ENABLE_LOCAL_LLMS", "ENABLE_LLM_INTEGRATION") and _denied(lines, name):
        yield "ORFEAS_LLM_URL", ""
    elif name == "ORFEAS_MODE":
        if value not in _MODES:
            raise ConfigError(f"ORFEAS_MODE={value!r} cannot be used: allowed: {', '.join(_MODES)}.")
        yield "ORFEAS_ENGINE", _MODES[value]


def _granted(lines: Mapping[str, str], name: str) -> bool:
    return lines.get(name, "").strip().lower() in ("1", "true", "yes", "on")


def _denied(lines: Mapping[str, str], name: str) -> bool:
    return lines.get(name, "").strip().lower() in ("0", "false", "no", "off")


def secret_key(config: Config) -> str:
    """The key for signatures: as set, else the one in the data folder, made there on first start."""
    if config.secret_key:
        return config.secret_key
    config.data_dir.mkdir(parents=True, exist_ok=True)
    path = config.data_dir / "secret_key"
    with file_lock(config.data_dir / "secret_key.lock"):
        if not path.is_file():
            draft = path.with_suffix(".new")
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(48), encoding="ascii")
            draft.replace(path)
        return path.read_text(encoding="ascii").strip()


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock that ends with the process at the latest."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
