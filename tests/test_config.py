"""Settings: read once, checked, and refused with the nearest spelling."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from orfeas.config import Config, ConfigError, secret_key, settings


def read(dotenv: Path | None = None, **environ: str) -> Config:
    """The settings of an environment, with `ORFEAS_DATA_DIR` always set."""
    return Config.from_env({"ORFEAS_DATA_DIR": "/nowhere/orfeas", "PATH": "/bin", **environ}, dotenv=dotenv)


def test_every_setting_has_a_default_that_its_own_reader_takes() -> None:
    defaults = Config()
    for name, field in settings().items():
        value = getattr(defaults, field.name)
        assert field.metadata["meaning"], name
        if value is None or isinstance(value, tuple):
            continue
        text = str(int(value)) if isinstance(value, bool) else str(value)
        assert field.metadata["read"](text) == value, name


def test_values_are_converted_to_their_types() -> None:
    config = read(
        ORFEAS_PORT="8080",
        ORFEAS_CORS_ORIGINS="http://a.example/, https://b.example",
        ORFEAS_ALLOW_URL_INPUT="0",
        ORFEAS_GPU_MEMORY_SHARE="0.5",
        ORFEAS_LOG_LEVEL="debug",
        ORFEAS_TERRITORY="de",
    )
    assert config.port == 8080
    assert config.cors_origins == ("http://a.example", "https://b.example")
    assert config.allow_url_input is False
    assert config.gpu_memory_share == 0.5
    assert config.log_level == "DEBUG"
    assert config.territory == "DE"
    assert config.model_dir == Path("/nowhere/orfeas/models")
    assert config.database_url == "sqlite:////nowhere/orfeas/orfeas.db"


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("ORFEAS_PROT", "1", "Did you mean ORFEAS_PORT?"),
        ("ORFEAS_MAX_UPLOAD", "1", "Did you mean ORFEAS_MAX_UPLOAD_MB?"),
        ("ORFEAS_ENGINE", "embeded", "did you mean embedded?"),
        ("ORFEAS_MAX_UPLOAD_MB", "501", "allowed: 1 to 500"),
        ("ORFEAS_MAX_UPLOAD_MB", "fifty", "ORFEAS_MAX_UPLOAD_MB='fifty' cannot be used"),
        ("ORFEAS_GPU_MEMORY_SHARE", "nan", "allowed: 0.05 to 1.0"),
        ("ORFEAS_QUEUE_MAX", "0", "allowed: 1 or more"),
        ("ORFEAS_CACHE", "maybe", "allowed: 1 or 0"),
        ("ORFEAS_SECRET_KEY", "short", "32 characters"),
        ("ORFEAS_DATABASE_URL", "mysql://x", "postgresql"),
        ("ORFEAS_REDIS_URL", "redis://localhost", "release 2"),
        ("ORFEAS_AUTH", "on", "has no keys"),
        ("ORFEAS_HOST", "0.0.0.0", "ORFEAS_ALLOW_OPEN=1"),
        ("ORFEAS_MODE", "full_ai", "ORFEAS_MODE is no setting"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_says_how_to_mend_it(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError, match="ORFEAS_") as refused:
        read(**{name: value})
    assert said in str(refused.value)


def test_a_bad_secret_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as refused:
        read(ORFEAS_SECRET_KEY="hunter2")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST", "studio.localhost"])
def test_a_loopback_host_needs_no_permission(host: str) -> None:
    assert read(ORFEAS_HOST=host).host == host


def test_other_machines_are_served_with_permission_only() -> None:
    assert read(ORFEAS_HOST="0.0.0.0", ORFEAS_ALLOW_OPEN="1").host == "0.0.0.0"
    with pytest.raises(ConfigError):
        read(ORFEAS_HOST="192.168.1.7")


def test_older_names_of_the_file_are_read_with_a_notice(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "MAX_UPLOAD_MB=80\nCORS_ORIGINS=http://a.example\nRATE_LIMIT_PER_MINUTE=5\nCACHE_TTL_SECONDS=60\n"
        "DISABLE_RESULT_CACHE=1\nCLEANUP_AFTER_HOURS=48\nORFEAS_MODE=safe_fallback\nLLM_MAX_TOKENS=77\n"
        "LOCAL_LLM_SERVER=http://localhost:11434\nENABLE_LOCAL_LLMS=false\nDATABASE_URL=sqlite:///old.db\n"
        "ORFEAS_QUEUE_MAX=7\nSOMETHING_ELSE=1\n",
        encoding="utf-8",
    )
    config = read(file)
    assert (config.max_upload_mb, config.cache_ttl_s, config.retention_h) == (80, 60, 48)
    assert (config.cache, config.engine, config.llm_max_tokens, config.queue_max) == (False, "embedded", 77, 7)
    assert config.cors_origins == ("http://a.example",)
    assert config.rate_limit_per_minute == 0, "only with ENABLE_RATE_LIMITING=true"
    assert config.llm_url is None
    assert config.database_url == "sqlite:////nowhere/orfeas/orfeas.db"
    notices = "\n".join(config.notices)
    assert "MAX_UPLOAD_MB is an older name; use ORFEAS_MAX_UPLOAD_MB=80" in notices
    assert "DATABASE_URL is never read; use ORFEAS_DATABASE_URL" in notices
    assert "SOMETHING_ELSE" not in notices


def test_the_environment_wins_over_new_names_and_those_over_older_ones(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "MAX_UPLOAD_MB=80\nORFEAS_MAX_UPLOAD_MB=90\nENABLE_RATE_LIMITING=true\nRATE_LIMIT_PER_MINUTE=5\n",
        encoding="utf-8",
    )
    assert read(file).max_upload_mb == 90
    assert read(file).rate_limit_per_minute == 5
    assert read(file, ORFEAS_MAX_UPLOAD_MB="100").max_upload_mb == 100


def test_an_unknown_name_in_the_file_stops_the_start_too(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("ORFEAS_PROT=1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="ORFEAS_PORT"):
        read(file)


def test_the_secret_key_is_made_once_whoever_starts_first(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path / "fresh")
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(secret_key(config))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(found[0]) >= 32
    assert stat.S_IMODE((config.data_dir / "secret_key").stat().st_mode) == 0o600
    assert secret_key(Config(data_dir=tmp_path, secret_key="k" * 32)) == "k" * 32
