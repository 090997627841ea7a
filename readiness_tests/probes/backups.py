"""Back a home up while a session trades; tell what the archive holds, read with other means.

The archive is opened with the tools of the standard library, not with the engine's own reader.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import io
import json
import sqlite3
import struct
import tarfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from cryptography.fernet import Fernet

from rustybt.backup.making import make_backup
from rustybt.backup.restoring import restore_backup
from rustybt.deployment import create_home
from rustybt.home import Home
from rustybt.journal.records import Record
from rustybt.model.bar import Bar
from rustybt.model.instrument import Instrument
from rustybt.settings import load_settings
from rustybt.strategy import Strategy
from rustybt.system import Session, paper_session
from rustybt.trading.fold import COMMAND, EVENT, fold
from rustybt.trading.settings import GuardSettings

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FIRST = 9
"""How many bars the first session has: its head is signed when the second one begins."""
SPEED = 6000.0
DATABASE = "state/rustybt.db"
HEADS = "state/journal-heads.jsonl"
SYMBOL = "BTC/USDT"
FIELDS = Record.__struct_fields__
Row = tuple[int, int, str, str, bytes, bytes, bytes]


class Swinging(Strategy):
    """Buys and sells in turn, and keeps values of several types in its state."""

    halfway: int = 0

    def on_bar(self, bar: Any) -> None:
        """Order, and take a note; halfway let a backup be made, then one while trading goes on."""
        bars = self.state.get("bars", 0) + 1
        self.state["bars"] = bars
        self.state["seen"] = {"last": bar.close, "mean": bars / 3, "odd": bool(bars % 2)}
        self.buy(bar.symbol, "0.125") if bars % 3 else self.sell(bar.symbol, "0.0625")
        if bars == self.halfway:
            WORK.halfway()


class Work:
    """What is done to the home *root* while the session runs."""

    def __init__(self) -> None:
        self.root = Path("home")
        self.archives: list[tuple[str, int, Path]] = []
        self._thread = threading.Thread(target=self._make, args=("while it trades", 2))

    def halfway(self) -> None:
        """Make a backup while the session waits, then begin another one."""
        self._make("in a pause", 1)
        self._thread.start()

    def end(self) -> None:
        """Return once every backup is made."""
        self._thread.join()

    def _make(self, name: str, second: int) -> None:
        begun = len(_rows(self.root / DATABASE))
        made = make_backup(self.root, {}, lambda: START + timedelta(seconds=second))
        self.archives.append((name, begun, made.path))


WORK = Work()


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two backups of a session over *bars* bars hold, and what it had at their instant.

    The *canary* is put wherever a home keeps secrets.
    """
    home = create_home(WORK.root, "dev", lambda: START)
    secrets = _plant(home, arguments["canary"])
    _trade(home.root, arguments["bars"])
    rows = _rows(home.root / DATABASE)
    seen = {
        name: {"begun": begun, **_seen(home, path, rows, secrets)}
        for name, begun, path in WORK.archives
    }
    return {"backups": seen, "records": len(rows), "restored": _restored(home, rows)}


def _plant(home: Home, canary: str) -> list[bytes]:
    """Put secrets where operators have them; return them all."""
    with home.env_file.open("a") as file:
        file.write(f"BINANCE_API_KEY={canary}\nAPI_AUTH_TOKEN={canary * 4}\n")
    # No rule sends anything there.
    channel = f"{{url: 'json://{canary}@host/', contact: nobody}}"
    (home.config / "alerts.yaml").write_text(f"channels:\n  hook: {channel}\n")
    keys = load_settings(home.root, {}).encryption_keys()
    return [canary.encode(), *(key.get_secret_value().encode() for key in keys)]


def _trade(root: Path, count: int) -> None:
    """Run a session to its end, then one of *count* bars with the backups that it lets begin."""
    bars = [_bar(number) for number in range(count + FIRST)]
    _run(_session(root, bars[:FIRST], halfway=0, speed=None))
    _run(_session(root, bars, halfway=FIRST + count // 2, speed=SPEED))
    if not WORK.archives:
        raise RuntimeError("the session did not get as far as to let a backup be made")
    WORK.end()


def _bar(number: int) -> Bar:
    begin, price = START + number * MINUTE, Decimal(100 + number % 7)
    return Bar(SYMBOL, begin, begin + MINUTE, price, price, price, price, Decimal(50))


def _run(session: Session) -> None:
    try:
        ending = asyncio.run(session.run_async(enabled_by="somebody", reason="a check"))
    finally:
        session.close()
    if ending.code != 0:
        raise RuntimeError(ending.reason)


def _session(root: Path, bars: Sequence[Bar], *, halfway: int, speed: float | None) -> Session:
    instrument = Instrument(
        symbol=SYMBOL, base="BTC", quote="USDT", tick=Decimal("0.01"), lot=Decimal("0.0001")
    )
    return paper_session(
        load_settings(root, {}),
        Swinging(halfway=halfway),
        source=b"",
        bars=bars,
        instruments={SYMBOL: instrument},
        cash={"USDT": Decimal(10_000)},
        speed=speed,
        guard=GuardSettings(),
        reconcile_every=timedelta(days=1),
    )


def _seen(home: Home, path: Path, rows: Sequence[Row], secrets: Sequence[bytes]) -> dict[str, Any]:
    """Return what the archive at *path* holds beside what there was at its instant."""
    files = _files(path)
    manifest = json.loads(files.get("manifest.json", b"{}"))
    sequence = (manifest.get("journal") or {}).get("sequence", 0)
    opened = _opened(home, files)
    copied = _rows_in(opened.get(DATABASE))
    before = rows[:sequence]
    return {
        "sequence": sequence,
        "there": _facts(before),
        "copied": _facts(copied),
        "same_records": copied == list(before),
        "chain_breaks_at": _break(copied),
        "signed": _signed(opened.get(HEADS, b""), copied),
        "files": len(files) - 1,
        "without_checksum": _without_checksum(files, manifest),
        "in_clear": _in_clear(path, files, secrets),
        "configuration": {
            name: opened.get(name) == (home.root / name).read_bytes()
            for name in _configuration(home)
        },
    }


def _files(path: Path) -> dict[str, bytes]:
    """Return what is in the archive, by the members' names."""
    with tarfile.open(path) as archive:
        return {
            member.name: file.read()
            for member in archive
            if (file := archive.extractfile(member)) is not None
        }


def _opened(home: Home, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of the home in an archive, by their paths, what is secret decrypted."""
    key = load_settings(home.root, {}).encryption_keys()[0].get_secret_value()
    found = {}
    for name, data in files.items():
        kind, _, path = name.partition("/")
        if kind == "home":
            found[path] = data
        elif kind == "sealed":
            found[path] = b"".join(map(Fernet(key).decrypt, data.splitlines()))
    return found


def _configuration(home: Home) -> list[str]:
    """Return the paths of settings and configuration."""
    files = [path for path in home.config.rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(home.root)) for path in (home.env_file, *files))


def _without_checksum(files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> list[str]:
    """Return the members that the manifest has no right checksum of."""
    known = {
        f"{member['kind']}/{member['path']}": member.get("sha256")
        for member in manifest.get("members", ())
    }
    return [
        name
        for name, data in files.items()
        if name != "manifest.json" and known.get(name) != hashlib.sha256(data).hexdigest()
    ]


def _in_clear(path: Path, files: Mapping[str, bytes], secrets: Sequence[bytes]) -> list[str]:
    """Return the members with a secret in them that can be read, packed or not."""
    texts = {"the archive": path.read_bytes(), **files}
    texts |= {
        f"{name}, unpacked": gzip.GzipFile(fileobj=io.BytesIO(data)).read()
        for name, data in files.items()
        if data.startswith(b"\x1f\x8b")
    }
    return [name for name, data in texts.items() if any(secret in data for secret in secrets)]


def _rows(path: Path) -> list[Row]:
    """Return the records of the journal in the database at *path*."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return list(
            database.execute(
                "SELECT sequence, micros, session, kind, payload, previous, own FROM journal "
                "ORDER BY sequence"
            )
        )
    finally:
        database.close()


def _rows_in(data: bytes | None) -> list[Row]:
    """Return the records of a journal that was in an archive, none if it was not."""
    if data is None:
        return []
    copy = Path("copied.db")
    copy.write_bytes(data)
    return _rows(copy)


def _facts(rows: Iterable[Row]) -> dict[str, Any]:
    """Return positions, trades and the strategy's state, as the records add up to them."""
    rows = list(rows)
    told = [json.loads(row[4]) for row in rows if row[3] == EVENT]
    fills = [each["fill"] for each in told if each["type"] == "order_filled"]
    trades = [[f"{value}" for _, value in sorted(fill.items())] for fill in fills]
    positions: dict[str, Decimal] = {}
    for fill in fills:
        sign = -1 if fill["side"] == "sell" else 1
        held = positions.get(fill["symbol"], Decimal(0))
        positions[fill["symbol"]] = held + sign * Decimal(fill["quantity"])
    return {
        "records": len(rows),
        "positions": {symbol: f"{held.normalize():f}" for symbol, held in positions.items()},
        "trades": len(trades),
        "trades_sha256": _digest(trades),
        "strategy": _strategy(rows),
    }


def _strategy(rows: Sequence[Row]) -> str | None:
    """Return the text of the strategy's state after *rows*."""
    if not rows:
        return None
    records = (msgspec.convert(dict(zip(FIELDS, row, strict=True)), Record) for row in rows)
    return fold(each for each in records if each.kind in (EVENT, COMMAND)).strategy_state


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _break(rows: Sequence[Row]) -> int | None:
    """Return the first record that does not follow the one before it; None if each does."""
    before = bytes(32)
    for number, (sequence, micros, session, kind, payload, previous, own) in enumerate(rows, 1):
        run, what = session.encode(), kind.encode()
        fixed = struct.pack(">QqII", sequence, micros, len(run), len(what))
        digest = hashlib.sha256(previous + fixed + run + what + payload).digest()
        follows = number == 1 or previous == before
        if sequence != number or not follows or digest != own:
            return number
        before = own
    return None


def _signed(heads: bytes, rows: Sequence[Row]) -> int:
    """Return how many signed heads name a record that is there; -1 if one does not."""
    count = 0
    for line in heads.splitlines():
        head = json.loads(line)
        number = head["sequence"]
        if number > len(rows) or rows[number - 1][6] != base64.b64decode(head["own"]):
            return -1
        count += 1
    return count


def _restored(home: Home, rows: Sequence[Row]) -> dict[str, Any]:
    """Restore the later backup in the place of the home; return what there is then."""
    name, _, path = WORK.archives[-1]
    journal = json.loads(_files(path)["manifest.json"])["journal"] or {}
    restore_backup(path, home.root, {}, lambda: START)
    restored = home.root / DATABASE
    found = _rows(restored) if restored.exists() else []
    before = rows[: journal.get("sequence", 0)]
    return {
        "of": name,
        "before": _facts(before),
        "after": _facts(found),
        "first_difference": next(
            (old[0] for old, new in zip(before, found, strict=False) if old != new), None
        ),
    }
