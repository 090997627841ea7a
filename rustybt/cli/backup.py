"""``rustybt backup``, ``verify-backup``, ``restore``, ``verify-restore`` and ``replicate``."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rustybt.cli.options import DEFAULT_HOME, HomeOption, JsonOption, wall_clock
from rustybt.cli.output import emit_json, say, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rustybt.backup.making import Made
    from rustybt.backup.manifest import Manifest
    from rustybt.backup.offsite import Copied
    from rustybt.backup.proving import Proof
    from rustybt.backup.replicating import Shipped
    from rustybt.backup.restoring import Restored

KeyFileOption = Annotated[
    Path | None,
    typer.Option(help="The file of the encryption key, if neither environment nor home have it."),
]
ReplicaOption = Annotated[
    str | None,
    typer.Option(help="Take the journal from here: the folder or URL that replicate copies to."),
]


def backup(
    home: HomeOption = DEFAULT_HOME,
    to: Annotated[Path | None, typer.Option(help="The folder, else BACKUP_DIR.")] = None,
    offsite: Annotated[
        str | None, typer.Option(help="Copy it there, too: a folder or a URL, else OFFSITE_URL.")
    ] = None,
    keep_days: Annotated[
        int | None,
        typer.Option(
            min=1, help="Remove older ones, unless they hold records that the new one lacks."
        ),
    ] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Make a backup of the deployment, while it trades or not, and read it back."""
    from rustybt.backup.making import make_backup
    from rustybt.backup.offsite import Offsite
    from rustybt.settings import load_settings

    begun = time.monotonic()
    made = make_backup(home, os.environ, wall_clock, to=to, keep_days=keep_days)
    elsewhere = load_settings(home, os.environ).offsite_url
    url = offsite or (elsewhere and elsewhere.get_secret_value())
    if not json:
        _tell(made)
    copied = Offsite(url).copy(made.path) if url else None
    if json:
        emit_json(_described(made, copied) | {"seconds": time.monotonic() - begun})
    elif copied is not None:
        say(f"copied to {copied.place} and read back there")


def _described(made: Made, copied: Copied | None) -> dict[str, object]:
    return {
        "path": str(made.path),
        "bytes": made.size,
        "sha256": made.sha256,
        "verified": True,
        **_facts(made.manifest),
        "offsite": copied and copied.place,
        "removed": [str(path) for path in made.pruned.removed],
        "kept": {str(path): reason for path, reason in made.pruned.kept},
    }


def _facts(manifest: Manifest) -> dict[str, object]:
    journal = manifest.journal
    return {
        "created": manifest.created.isoformat(),
        "environment": manifest.environment,
        "key_fingerprint": manifest.key,
        "versions": manifest.versions,
        "files": len(manifest.members),
        "journal": journal and {"sequence": journal.sequence, "sha256": journal.sha256},
        "left_out": manifest.left_out,
    }


def _tell(made: Made) -> None:
    say(f"made {made.path} ({made.size} bytes, sha256 {made.sha256}) and read it back")
    _tell_contents(made.manifest)
    for path in made.pruned.removed:
        say(f"removed {path}: a newer one holds all records of it, or its time was over")
    say(f"only the key {made.manifest.key} opens it: keep that elsewhere, too")


def _tell_contents(manifest: Manifest) -> None:
    journal = manifest.journal
    records = f"the journal to record {journal.sequence}" if journal else "no journal yet"
    say(f"{len(manifest.members)} files of {manifest.created:%Y-%m-%d %H:%M:%S} UTC, {records}")
    for reason in manifest.left_out:
        warn(f"left out: {reason}")


def look(
    archive: Annotated[
        str | None, typer.Argument(help="A backup's path or URL, else the newest one.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    key_file: KeyFileOption = None,
    *,
    offsite: Annotated[
        bool, typer.Option("--offsite", help="The newest one that is in OFFSITE_URL.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Unpack a backup in a temporary folder, and find out whether it could be restored."""
    from rustybt.backup.making import look_into
    from rustybt.backup.offsite import local_archive, shown_url
    from rustybt.backup.restoring import keys_for
    from rustybt.files import expanded

    keys = keys_for(expanded(home).absolute(), os.environ, key_file)
    named = archive or _newest(home, offsite=offsite)
    with local_archive(named) as path, tempfile.TemporaryDirectory() as within:
        unpacked, _ = look_into(path, keys, os.environ, wall_clock, Path(within))
    if json:
        emit_json({"archive": shown_url(named), "verified": True, **_facts(unpacked.manifest)})
        return
    say(f"{shown_url(named)} can be restored")
    _tell_contents(unpacked.manifest)


def _newest(home: Path, *, offsite: bool) -> str:
    from rustybt.backup.errors import BackupError
    from rustybt.backup.names import archives_in
    from rustybt.backup.offsite import Offsite
    from rustybt.settings import load_settings

    settings = load_settings(home, os.environ)
    if not offsite:
        found = [str(path) for path in archives_in(settings.backup_dir)]
        place = str(settings.backup_dir)
    elif settings.offsite_url is None:
        raise BackupError("no place elsewhere is configured", expected="OFFSITE_URL in .env")
    else:
        url = settings.offsite_url.get_secret_value().rstrip("/")
        store = Offsite(url)
        found, place = [f"{url}/{name}" for name in store.names()], store.place
    if not found:
        raise BackupError(f"there is no backup in {place}", remedy="python -m rustybt backup")
    return found[-1]


def restore(
    archive: Annotated[str, typer.Argument(help="A backup's path or URL.")],
    home: HomeOption = DEFAULT_HOME,
    key_file: KeyFileOption = None,
    replica: ReplicaOption = None,
    *,
    json: JsonOption = False,
) -> None:
    """Put a backup in the place of the home; what was there is kept beside it."""
    from rustybt.backup.offsite import local_archive
    from rustybt.backup.restoring import restore_backup

    begun = time.monotonic()
    with local_archive(archive) as path:
        restored = restore_backup(
            path, home, os.environ, wall_clock, key_file=key_file, replica=replica
        )
    if json:
        emit_json(_restored(restored) | {"seconds": time.monotonic() - begun})
        return
    say(f"restored {restored.home} from {restored.record.archive}")
    if restored.kept is not None:
        say(f"what was there is in {restored.kept}")
    say(f"next: python -m rustybt verify-restore --home {restored.home}, then start the engine;")
    say("it reconciles with the venue before it trades")


def _restored(restored: Restored) -> dict[str, object]:
    journal = restored.record.journal
    return {
        "home": str(restored.home),
        "kept": restored.kept and str(restored.kept),
        "archive": restored.record.archive,
        "created": restored.record.created.isoformat(),
        "files": len(restored.record.files),
        "journal": journal and {"sequence": journal.sequence, "sha256": journal.sha256},
    }


def prove(home: HomeOption = DEFAULT_HOME, *, json: JsonOption = False) -> None:
    """Find out whether the home is as it was restored, and put that on record.

    Exit with 0 if so, with 1 after naming what is missing or wrong.
    """
    import msgspec

    from rustybt.backup.proving import prove_restored

    proof = prove_restored(home, os.environ, wall_clock)
    if json:
        emit_json({"ok": proof.ok, **msgspec.to_builtins(proof)})
    else:
        _show(proof)
    if not proof.ok:
        raise typer.Exit(1)


def _show(proof: Proof) -> None:
    for problem in proof.problems:
        warn(problem)
    for path in proof.changed:
        say(f"{path} was changed since, by a session or by somebody")
    if proof.ok:
        say(f"{proof.home} is what {proof.archive} holds: {proof.records} records, all whole")
    if proof.state is not None:
        say(f"positions: {proof.state['positions'] or 'none'}")


def replicate(
    home: HomeOption = DEFAULT_HOME,
    to: Annotated[
        str | None, typer.Option(help="A folder or a URL, else journal/ below OFFSITE_URL.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two copies.")] = 15.0,
    *,
    once: Annotated[bool, typer.Option("--once", help="Copy what there is, then end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line.")] = False,
) -> None:
    """Copy the journal elsewhere while the engine runs, until SIGINT or SIGTERM.

    Exit with 1 if what was on disk at the end is not in the copy.
    """
    from rustybt.backup.replicating import Replication, shipments, target_of

    target = target_of(home, os.environ, to)
    replication = Replication(home, os.environ, wall_clock, target=target)
    last = None
    if once:
        last = replication.ship()
        _report(last, json=json)
    else:
        with _until_told() as ending:
            for last in shipments(replication, every, ending.wait):
                _report(last, json=json)
    if last is not None and last.problem is not None:
        raise typer.Exit(1)


@contextlib.contextmanager
def _until_told() -> Iterator[threading.Event]:
    """Yield what is set once the process is to end."""
    ending = threading.Event()
    earlier = {
        number: signal.signal(number, lambda *_: ending.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield ending
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _report(shipped: Shipped, *, json: bool) -> None:
    import msgspec

    if json:
        say(msgspec.json.encode(shipped).decode())
    elif shipped.problem is not None:
        warn(f"the copy in {shipped.target} fails: {shipped.problem}")
    else:
        lost = "" if shipped.rpo_seconds is None else f"; at risk: {shipped.rpo_seconds:.1f} s"
        say(f"{shipped.time:%H:%M:%S} copied to record {shipped.shipped}{lost}")
