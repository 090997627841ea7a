"""Section 5.1: what the engine logs, where, for how long, and what never."""

from __future__ import annotations

import json
import os
import resource
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pytest_rustybt_ready import Evidence, at_least, one_of, ready
from readiness_tests.controls import set_setting
from readiness_tests.engine import EngineUnderTest
from readiness_tests.host import GB
from readiness_tests.subjects import Deployment, owner_of, service_user, utc_now
from rustybt.monitoring.logging import LEVELS
from rustybt.system.logs import session_log

LINES = "rustybt/monitoring/lines.py"
LOGFILE = "rustybt/monitoring/logfile.py"
LOGGING = "rustybt/monitoring/logging.py"
REDACTION = "rustybt/security/redaction.py"
SCRIBE = "rustybt/monitoring/scribe.py"
SESSION = "rustybt/system/session.py"
VENUE = "rustybt/adapters/venue/ccxt_venue.py"

# -- 5.1.1 structured lines ------------------------------------------------------------------

WANTED = {"session begins", "the engine starts", "order sent", "order filled", "request failed"}


@ready.monitoring("5.1.1")
def test_every_line_is_structured(engine: EngineUnderTest, evidence: Evidence) -> None:
    """A session at the practice exchange writes JSON alone: into its log, and nowhere else."""
    seen = engine.run("session_log", everywhere=False)
    evidence.expect("written by", ["structlog._native"], observed=seen["writers"])
    parsed = [_parsed(line) for line in seen["lines"]]
    told = {str(line.get("event")) for line in parsed}
    evidence.expect("lines", at_least(20), observed=len(parsed))
    evidence.expect("events that are missing", [], observed=sorted(WANTED - told))
    bad = [
        line for line, fields in zip(seen["lines"], parsed, strict=True) if not _is_whole(fields)
    ]
    bad += seen["printed"]
    evidence.record("unstructured", bad[:3])
    evidence.meets("unstructured", observed=len(bad))
    without = [
        line["event"]
        for line in parsed
        if str(line.get("event")).startswith("order ") and not line.get("order", line.get("kind"))
    ]
    evidence.expect("lines about an order that do not name it", [], observed=without)


def _parsed(line: str) -> dict[str, Any]:
    """Return what a line says; nothing if it is no object."""
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _is_whole(line: dict[str, Any]) -> bool:
    """Tell whether a line has a time in UTC, a level, an event and a session."""
    try:
        time = datetime.fromisoformat(line["time"])
    except (KeyError, TypeError, ValueError):
        return False
    has_words = all(isinstance(line.get(name), str) for name in ("event", "session"))
    known = str(line.get("level")).upper() in LEVELS
    return time.utcoffset() == timedelta(0) and has_words and known


@test_every_line_is_structured.fails_when
def the_engine_prints(engine: EngineUnderTest) -> None:
    """A line goes to standard output."""
    engine.edit(
        SESSION,
        "        timer = asyncio.ensure_future(",
        "        print('going on')\n        timer = asyncio.ensure_future(",
    )


@test_every_line_is_structured.fails_when
def a_library_writes_plain_text(engine: EngineUnderTest) -> None:
    """What is no JSON gets into the file."""
    engine.append(
        LOGFILE,
        """
        _plain = LogFile.write
        LogFile.write = lambda self, line: _plain(self, b"WARNING: plain text\\n" + line)
        """,
    )


@test_every_line_is_structured.fails_when
def the_log_is_empty(engine: EngineUnderTest) -> None:
    """Nothing is ever written."""
    engine.append(LOGFILE, "LogFile.write = lambda self, line: len(_append.__name__)\n")


# -- 5.1.2 level, 5.1.3 format ---------------------------------------------------------------


def _written(deployment: Deployment, folder: Path) -> list[dict[str, Any]]:
    """Return what the logger that a session would have writes as JSON, of a line at each level."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    settings = deployment.settings.model_copy(update={"log_dir": folder})
    log = session_log(settings, "readiness", utc_now)
    for level in LEVELS:
        log.say(level.lower(), "a line")
    log.close()
    files = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


@ready.monitoring("5.1.2")
def test_the_level_is_that_of_production(
    deployment: Deployment, tmp_path: Path, evidence: Evidence
) -> None:
    """The logger writes what is at least INFO in production, and hides no warning anywhere."""
    settings = deployment.settings.model_copy(update={"log_format": "json"})
    log = session_log(settings.model_copy(update={"log_dir": tmp_path}), "readiness", utc_now).log
    shown = [name for name, number in LEVELS.items() if log.is_enabled_for(number)]
    evidence.record("environment", str(settings.environment))
    evidence.expect(
        "lowest level that is written", _allowed(settings.environment), observed=shown[0]
    )


def _allowed(environment: str) -> Any:
    """Return the lowest level that may be written: what hides warnings may not."""
    return "INFO" if environment == "production" else one_of("DEBUG", "INFO", "WARNING")


@test_the_level_is_that_of_production.fails_when
def debug_in_production(deployment: Deployment) -> None:
    """Everything is logged."""
    set_setting(deployment, "RUSTYBT_ENV", "production")
    set_setting(deployment, "LOG_LEVEL", "DEBUG")


@test_the_level_is_that_of_production.fails_when
def warnings_are_hidden(deployment: Deployment) -> None:
    """Only errors are logged."""
    set_setting(deployment, "LOG_LEVEL", "ERROR")


@ready.monitoring("5.1.3")
def test_the_format_is_that_of_production(
    deployment: Deployment, tmp_path: Path, evidence: Evidence
) -> None:
    """What the logger writes is JSON in production; elsewhere it may be for people."""
    environment = deployment.settings.environment
    lines = _written(deployment, tmp_path)
    evidence.record("environment", str(environment))
    wanted = "json" if environment == "production" else one_of("json", "console")
    evidence.expect("format in force", wanted, observed="json" if lines else "console")
    evidence.expect(
        "lines of other loggers", 0, observed=sum(line["session"] != "readiness" for line in lines)
    )


@test_the_format_is_that_of_production.fails_when
def console_in_production(deployment: Deployment) -> None:
    """Lines are for people, on standard error."""
    set_setting(deployment, "RUSTYBT_ENV", "production")
    set_setting(deployment, "LOG_FORMAT", "console")


# -- 5.1.4 the folder ------------------------------------------------------------------------

LINE = b'{"event":"readiness"}\n' * 100


@ready.monitoring("5.1.4")
def test_the_folder_of_the_log_takes_lines(deployment: Deployment, evidence: Evidence) -> None:
    """A file is written there as the service user and removed again; there is room for more."""
    folder = deployment.settings.log_dir
    evidence.expect("problem of writing", "none", observed=_problem_of(folder))
    evidence.expect("owner", service_user(), observed=owner_of(folder))
    found = os.statvfs(folder)
    evidence.meets("free_space", observed=round(found.f_bavail * found.f_frsize / GB, 2))


def _problem_of(folder: Path) -> str:
    """Return why nothing can be written into *folder*, ``none`` if it can."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".readiness-") as file:
            file.write(LINE)
            file.flush()
            os.fsync(file.fileno())
            kept = Path(file.name).read_bytes()
    except OSError as error:
        return type(error).__name__ if error.strerror is None else error.strerror
    return "none" if kept == LINE else "what was written is not there"


@test_the_folder_of_the_log_takes_lines.fails_when
def the_folder_is_read_only(deployment: Deployment) -> None:
    """It lies where not even root can make a file."""
    set_setting(deployment, "LOG_DIR", "/proc/self")


@test_the_folder_of_the_log_takes_lines.fails_when
def the_folder_is_somebody_elses(deployment: Deployment) -> None:
    """It belongs to the system or, to whom the system belongs, to nobody."""
    if service_user() != 0:
        set_setting(deployment, "LOG_DIR", "/")
        return
    folder = deployment.root / "elsewhere"
    folder.mkdir(mode=0o777)
    os.chown(folder, 65534, 65534)
    set_setting(deployment, "LOG_DIR", "elsewhere")


@test_the_folder_of_the_log_takes_lines.fails_when
def the_disk_is_full() -> Iterator[None]:
    """No file can grow."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


# -- 5.1.5 rotation --------------------------------------------------------------------------

SIMULATED_DAYS = 100


@ready.monitoring("5.1.5")
def test_logs_are_rotated_and_kept(
    engine: EngineUnderTest, deployment: Deployment, evidence: Evidence
) -> None:
    """After a hundred days the files of the last ones are there, and each line in its own."""
    retention = deployment.settings.log_retention_days
    evidence.meets("retention", observed=retention)
    wanted = int(evidence.threshold("retention").threshold.limit)
    seen = engine.run("log_days", days=SIMULATED_DAYS, retention=wanted)
    evidence.expect("days that are left", seen["days"][-wanted:], observed=seen["left"])
    evidence.meets("lost", observed=seen["lost"] + seen["lost_later"])


@test_logs_are_rotated_and_kept.fails_when
def ten_days_are_kept(deployment: Deployment) -> None:
    """The rest is removed."""
    set_setting(deployment, "LOG_RETENTION_DAYS", "10")


@test_logs_are_rotated_and_kept.fails_when
def the_first_line_of_a_day_is_lost(engine: EngineUnderTest) -> None:
    """Who opens the file of the day forgets what was to be written."""
    engine.append(
        LOGFILE,
        """
        _kept = LogFile.write


        def _forgetful(self, line):
            opens = self._day != self._clock().astimezone(UTC).date()
            return _kept(self, b"" if opens else line)


        LogFile.write = _forgetful
        """,
    )


@test_logs_are_rotated_and_kept.fails_when
def old_logs_are_never_removed(engine: EngineUnderTest) -> None:
    """All files stay."""
    engine.append(LOGFILE, "LogFile._remove_old = lambda self, today: None\n")


# -- 5.1.6 secrets ---------------------------------------------------------------------------


@ready.monitoring("5.1.6")
def test_no_secret_gets_out(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Secrets lie in every slot, requests fail and succeed: nothing that is shown has one."""
    seen = engine.run("session_log", everywhere=True)
    parsed = [_parsed(line) for line in seen["lines"]]
    told = [str(line.get("event")) for line in parsed]
    evidence.expect("requests that failed", at_least(3), observed=told.count("request failed"))
    evidence.expect("orders that traded", at_least(2), observed=told.count("order filled"))
    evidence.expect("lines with secrets deep inside", 1, observed=told.count("nested"))
    evidence.expect("alerts", at_least(1), observed=seen["alerts"])
    evidence.expect("answers of the API", at_least(4), observed=len(seen["answers"]))
    evidence.record("places", seen["places"])
    evidence.record("leaks", seen["leaks"])
    evidence.meets("leaks", observed=len(seen["leaks"]))


@test_no_secret_gets_out.fails_when
def nothing_is_redacted(engine: EngineUnderTest) -> None:
    """Whatever is to be shown is shown."""
    engine.append(
        REDACTION,
        """
        Redactor.__call__ = lambda self, value: value
        Redactor.text = lambda self, text: text
        """,
    )


@test_no_secret_gets_out.fails_when
def the_text_of_an_exception_is_not_redacted(engine: EngineUnderTest) -> None:
    """A traceback is added once everything else is free of secrets."""
    engine.edit(LOGGING, "        structlog.processors.format_exc_info,\n", "")
    engine.edit(
        LOGGING,
        "        _Redaction(Redactor(secrets)),\n",
        "        _Redaction(Redactor(secrets)),\n        structlog.processors.format_exc_info,\n",
    )
    engine.append(
        LOGGING,
        """
        _all_of_it = _Redaction.__call__


        def _without_the_error(self, logger, method, event):
            error = event.pop("exc_info", None)
            event = _all_of_it(self, logger, method, event)
            return event if error is None else event | {"exc_info": error}


        _Redaction.__call__ = _without_the_error
        """,
    )


@test_no_secret_gets_out.fails_when
def what_is_nested_is_not_redacted(engine: EngineUnderTest) -> None:
    """Only texts that stand in the line itself are looked at."""
    engine.append(
        LOGGING,
        """
        def _shallow(self, _logger, _method, event):
            return {
                name: self._redact({name: value})[name] if isinstance(value, str) else value
                for name, value in event.items()
            }


        _Redaction.__call__ = _shallow
        """,
    )
