"""Section 3: sources of market data, their bars, and the catalog that keeps them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pytest_rustybt_ready import Evidence, Provenance, one_of, ready
from readiness_tests.bar_cases import CASES, NOW
from readiness_tests.engine import EngineUnderTest
from readiness_tests.hours import DAY
from readiness_tests.market_data import (
    NUMBERS,
    bar_file,
    daily,
    days_held,
    edit_bars,
    ended_sessions,
    exact,
    expect_fresh,
    fetched,
    is_writable,
    malformed,
    read_manifest,
    refused_rows,
    set_key,
    settings_of,
    store_again,
    told,
    with_low_high,
    without_ages,
    wrong_files,
)
from readiness_tests.subjects import Deployment, utc_now
from rustybt.data.manifest import FORMAT
from rustybt.deployment import is_practice_data, open_catalog

QUALITY = "rustybt/data/quality.py"
RULES = "{rule.name: rule for rule in _NAMED}"


# -- 3.2 data sources ------------------------------------------------------------------------


@ready.configuration("3.2.1")
def test_data_sources_are_configured(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """The declared source of market data loads, knows its symbols, and has what it needs."""
    settings = settings_of(deployment)
    seen = fetched(deployment, engine)
    evidence.record("declared", settings.data_source or "nothing")
    evidence.expect("what keeps it from being opened", "", observed=seen["error"])
    expected = (settings.data_source or "").partition(":")[0]
    evidence.expect("kind of source", expected, observed=seen["name"].partition(":")[0])
    evidence.record("library", seen["library"])
    evidence.record("credentials needed", "none: bars of all known sources are public")
    evidence.expect("symbols", sorted(settings.data_symbols), observed=sorted(seen["symbols"]))
    if settings.data_source == "csv":
        missing = [name for name, one in seen["symbols"].items() if one["error"]]
        evidence.expect("symbols that the file lacks", [], observed=missing)


@test_data_sources_are_configured.fails_when
def the_source_is_unknown(deployment: Deployment) -> None:
    """The settings name a source that there is not."""
    set_key(deployment, "DATA_SOURCE", "bloomberg")


@test_data_sources_are_configured.fails_when
def no_source_is_declared(deployment: Deployment) -> None:
    """The settings name no source at all."""
    set_key(deployment, "DATA_SOURCE", "")


@test_data_sources_are_configured.fails_when
def its_library_is_not_installed(deployment: Deployment, engine: EngineUnderTest) -> None:
    """The source needs a library that this machine does not have."""
    set_key(deployment, "DATA_SOURCE", "ccxt:binance")
    engine.edit(
        "rustybt/adapters/ccxt.py",
        "import ccxt  # type: ignore[import-untyped] # it has no types we could use",
        "import ccxt_as_on_a_machine_without_it as ccxt",
    )


@test_data_sources_are_configured.fails_when
def its_file_is_gone(deployment: Deployment) -> None:
    """The file that the source reads is not there."""
    bar_file(deployment).unlink()


@ready.configuration("3.2.2")
def test_data_sources_deliver(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """The last bars of each symbol are well-formed, and no older than the calendar explains."""
    settings = settings_of(deployment)
    seen = fetched(deployment, engine)
    evidence.expect("what keeps the source from being opened", "", observed=seen["error"])
    evidence.expect("symbols", sorted(settings.data_symbols), observed=sorted(seen["symbols"]))
    evidence.record("source", seen["name"])
    for symbol, one in seen["symbols"].items():
        if one["error"] and not one["reachable"]:
            evidence.unproven(
                f"the source cannot be reached: {one['error']}",
                remedy=f"python -m rustybt test-data --source {settings.data_source}",
            )
        evidence.expect(f"{symbol}: why it delivers nothing", "", observed=one["error"])
        evidence.expect(f"{symbol}: rows that rules refuse", {}, observed=one["refused"])
        evidence.expect(f"{symbol}: malformed rows", [], observed=malformed(one["rows"]))
        expect_fresh(settings, evidence, symbol, one["rows"][-1][0])


@test_data_sources_deliver.fails_when
def the_source_has_stopped(deployment: Deployment) -> None:
    """The last ten days are not there."""
    edit_bars(deployment, lambda lines: without_ages(lines, *range(11)))


@test_data_sources_deliver.fails_when
def the_source_has_nothing(deployment: Deployment) -> None:
    """There is a header, and not one bar."""
    edit_bars(deployment, lambda lines: lines[:1])


@test_data_sources_deliver.fails_when
def a_bar_is_malformed(deployment: Deployment) -> None:
    """The newest bar's high is below its low."""
    edit_bars(deployment, lambda lines: [*lines[:-1], with_low_high(lines[-1])])


@ready.configuration("3.2.3")
def test_the_history_is_complete(deployment: Deployment, evidence: Evidence) -> None:
    """For each declared symbol the catalog holds every session since the declared start."""
    settings = settings_of(deployment)
    catalog = open_catalog(settings, utc_now)
    assert settings.data_symbols, "no symbol is configured"
    assert settings.data_start is not None, "no start is configured"
    expected = ended_sessions(settings, settings.data_start)
    if is_practice_data(settings):
        evidence.provenance = Provenance.PRACTICE  # no proof of anything at production
    evidence.record("calendar", settings.trading_calendar)
    evidence.record("sessions expected", f"{len(expected)} since {settings.data_start}")
    assert expected, "no session has ended since the start that is configured"
    missing: list[str] = []
    for symbol in settings.data_symbols:
        held, written = days_held(catalog, symbol, settings)
        evidence.record(f"{symbol}: sessions stored", len(held), at=written)
        missing += [f"{symbol} {day}" for day in expected if day not in held]
    evidence.record("missing", missing)
    evidence.meets("missing_sessions", observed=len(missing))


@test_the_history_is_complete.fails_when
def a_day_is_missing(deployment: Deployment) -> None:
    """One day in the middle was never stored."""
    store_again(deployment, lambda lines: without_ages(lines, 30))


@test_the_history_is_complete.fails_when
def the_latest_days_are_missing(deployment: Deployment) -> None:
    """Nobody has brought the catalog up to date for five days."""
    store_again(deployment, lambda lines: without_ages(lines, *range(6)))


@test_the_history_is_complete.fails_when
def a_symbol_is_missing(deployment: Deployment) -> None:
    """One of the symbols was never fetched."""
    symbols = ",".join((*deployment.settings.data_symbols, "ASH/USDT"))
    set_key(deployment, "DATA_SYMBOLS", symbols)


@ready.configuration("3.2.4")
def test_bad_bars_are_refused(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Each rule refuses the bar that is made to break it; it is kept apart, the others stored."""
    wanted = ("rows", "interval", "zone")
    cases = {name: {key: case[key] for key in wanted} for name, case in CASES.items()}
    seen = engine.run("bad_bars", now=NOW, cases=cases)
    evidence.expect("rules with a case of their own", sorted(CASES), observed=sorted(seen["rules"]))
    for name, case in CASES.items():
        found = seen["cases"][name]
        values = dict(zip(("timestamp", *NUMBERS), case["bad"], strict=True))
        evidence.expect(f"{name}: error", "", observed=found["error"])
        evidence.expect(f"{name}: set aside", [([name], values)], observed=refused_rows(found))
        stored = [exact(row) for row in found["bars"]]
        good = sorted(exact(row) for row in case["good"])
        evidence.expect(f"{name}: every sound row is stored", True, observed=stored == good)


def _disabled(rule: str) -> Callable[[EngineUnderTest], None]:
    """Return a control that switches *rule* off."""

    def control(engine: EngineUnderTest) -> None:
        engine.edit(QUALITY, f"= {RULES}", f"= {RULES[:-1]} if rule.name != {rule!r}}}")

    control.__name__ = f"{rule}_is_switched_off"
    control.__doc__ = f"The rule {rule} is not applied."
    return control


for _rule in (
    "high_below_low",
    "negative_price",
    "not_a_number",
    "duplicate_time",
    "out_of_order",
    "future_time",
    "naive_time",
    "outlier",
    "split_jump",
):
    test_bad_bars_are_refused.fails_when(_disabled(_rule))


@test_bad_bars_are_refused.fails_when
def a_refused_row_is_lost(engine: EngineUnderTest) -> None:
    """What is refused is not kept."""
    kept = "self.catalog.set_aside(self.symbol, self.interval, refused)"
    engine.edit("rustybt/data/ingest.py", kept, "None")


@test_bad_bars_are_refused.fails_when
def a_good_row_is_refused(engine: EngineUnderTest) -> None:
    """An everyday move counts as a split."""
    engine.edit(QUALITY, "_SPLIT_TOLERANCE: Final = 0.05", "_SPLIT_TOLERANCE: Final = 0.6")


@ready.configuration("3.2.5")
def test_missing_bars_are_never_filled_unasked(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Each gap policy does what its name says, and a strategy is shown no bar that was made up."""
    start = datetime(2026, 1, 5, tzinfo=UTC)
    present = [0, 1, 4, 5, 6, 8, 9]  # days after the start; 2, 3 and 7 are missing
    closes = {number: Decimal(100 + number) for number in present}
    rows = [daily(start + number * DAY, closes[number]) for number in present]
    seen = engine.run(
        "gap_policies", start=start.isoformat(), end=(start + 10 * DAY).isoformat(), rows=rows
    )
    real = [[(start + n * DAY).isoformat(), closes[n], Decimal(10), False] for n in present]
    made = [
        [(start + n * DAY).isoformat(), closes[last], Decimal(0), True]
        for n, last in ((2, 1), (3, 1), (7, 6))
    ]
    policies = {name: told(one) for name, one in seen["policies"].items()}
    refused: tuple[str, list[Any]] = ("GapError", [])
    evidence.expect("policies", ["forward-fill", "raise", "skip"], observed=sorted(policies))
    evidence.expect("raise", refused, observed=policies["raise"])
    said = seen["policies"]["raise"]["message"]
    named = [day for day in ("2026-01-07", "2026-01-08", "2026-01-12") if day in said]
    evidence.expect("days that raise names", 3, observed=len(named))
    evidence.expect("skip", ("", real), observed=policies["skip"])
    evidence.expect("forward-fill", ("", sorted(real + made)), observed=policies["forward-fill"])
    evidence.expect("when nothing is said", refused, observed=told(seen["unsaid"]))
    shown = [[(start + n * DAY).isoformat(), float(closes[n])] for n in present]
    fill = "after a forward fill"
    for way in ("from the catalog", fill, f"{fill}, in floats"):
        evidence.expect(f"shown to a strategy {way}", shown, observed=seen[way])


@test_missing_bars_are_never_filled_unasked.fails_when
def bars_are_filled_unless_one_objects(engine: EngineUnderTest) -> None:
    """Whoever says nothing gets filled bars."""
    default = "policy: GapPolicy = GapPolicy."
    engine.edit("rustybt/data/gaps.py", f"{default}RAISE", f"{default}FORWARD_FILL")


@test_missing_bars_are_never_filled_unasked.fails_when
def fills_look_like_trades(engine: EngineUnderTest) -> None:
    """Bars that were made up are not marked."""
    filled = 'pl.col("filled").fill_null(value='
    engine.edit("rustybt/data/gaps.py", f"{filled}True)", f"{filled}False)")


@test_missing_bars_are_never_filled_unasked.fails_when
def skip_fills(engine: EngineUnderTest) -> None:
    """The policy skip makes bars up, like forward-fill."""
    engine.edit(
        "rustybt/data/gaps.py", "policy is not GapPolicy.FORWARD_FILL or not gaps", "not gaps"
    )


@test_missing_bars_are_never_filled_unasked.fails_when
def raise_has_no_effect(engine: EngineUnderTest) -> None:
    """The policy raise lets bars with holes through."""
    engine.edit("rustybt/data/gaps.py", "policy is GapPolicy.RAISE and gaps", "False")


@test_missing_bars_are_never_filled_unasked.fails_when
def a_strategy_is_shown_filled_bars(engine: EngineUnderTest) -> None:
    """A backtest takes made-up bars for real ones."""
    engine.append(
        "rustybt/engine/intake.py", "_without_fills = lambda _symbol, frame, _notes: frame"
    )


@test_missing_bars_are_never_filled_unasked.fails_when
def a_strategy_is_shown_filled_floats(engine: EngineUnderTest) -> None:
    """The quick way into a backtest does not look whether bars were made up."""
    engine.append(
        "rustybt/engine/stack.py",
        """
        _careful = _is_familiar


        def _is_familiar(frame):
            return _careful(frame.drop("filled", strict=False))
        """,
    )


@ready.configuration("3.2.6")
def test_the_catalog_is_sound(deployment: Deployment, evidence: Evidence) -> None:
    """The catalog can be written, is of this release's format, and every checksum is right."""
    root = deployment.home.catalog
    manifests = sorted(root.glob("*/*/manifest.json"))
    evidence.record("series", len(manifests))
    assert manifests, "the catalog is empty"
    folders = sorted({root, *(path.parent for path in manifests)})
    closed = [str(folder) for folder in folders if not is_writable(folder)]
    evidence.expect("folders that cannot be written", [], observed=closed)
    damaged: list[str] = []
    formats = set()
    for path in manifests:
        document = read_manifest(path, damaged)
        formats.add(document.get("format"))
        damaged += wrong_files(path.parent, document)
    evidence.expect("files whose checksum is wrong", [], observed=damaged)
    evidence.expect("formats", {FORMAT}, observed=formats)


@test_the_catalog_is_sound.fails_when
def a_byte_is_flipped(deployment: Deployment) -> None:
    """One bit of one file is not what it was."""
    path = next(deployment.home.catalog.glob("*/*/*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@test_the_catalog_is_sound.fails_when
def a_manifest_is_edited(deployment: Deployment) -> None:
    """Somebody changed what the catalog says about a series."""
    path = next(deployment.home.catalog.glob("*/*/manifest.json"))
    path.write_bytes(path.read_bytes().replace(b'"number":1', b'"number":2'))


@test_the_catalog_is_sound.fails_when
def it_is_of_another_format(deployment: Deployment) -> None:
    """A series was written by another release."""
    path = next(deployment.home.catalog.glob("*/*/manifest.json"))
    _, _, body = path.read_bytes().partition(b"\n")
    body = body.replace(b'"format":%d' % FORMAT, b'"format":%d' % (FORMAT + 1))
    path.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


@test_the_catalog_is_sound.fails_when
def its_folder_is_read_only(deployment: Deployment) -> None:
    """Nothing can be added to the catalog."""
    deployment.home.catalog.chmod(0o500)


@ready.configuration("3.2.6")
def test_a_killed_write_leaves_the_old_version(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Of a series whose writer is killed, the version before is read, or the new one."""
    for number, kill in enumerate(engine.run("catalog_writes", delays=[0, 0.03, 0.1]), start=1):
        evidence.record(f"kill {number}", kill)
        evidence.expect(f"kill {number}: damaged", [], observed=kill["damaged"])
        evidence.expect(f"kill {number}: by SIGKILL", True, observed=kill["killed"])
        reported = kill["reported"]
        evidence.expect(
            f"kill {number}: version read", one_of(reported, reported + 1), observed=kill["read"]
        )
        evidence.expect(f"kill {number}: all of it is there", True, observed=kill["whole"])


@test_a_killed_write_leaves_the_old_version.fails_when
def a_killed_write_does_damage(engine: EngineUnderTest) -> None:
    """What a series consists of is written over the old text, and that takes a while."""
    engine.edit(
        "rustybt/data/catalog.py",
        "write_atomic(folder / _MANIFEST, document)",
        "(folder / _MANIFEST).write_bytes(document[:40]); __import__('time').sleep(1); "
        "(folder / _MANIFEST).write_bytes(document)",
    )
