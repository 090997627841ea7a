"""A folder of log files: one for each day, kept so long, and never in the way."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from rustybt.monitoring.logfile import LogFile, day_of, file_name

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Hands:
    """A clock that is set by hand."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def names(folder: Path) -> list[str]:
    """Return what the files in *folder* are called."""
    return sorted(path.name for path in folder.iterdir())


def test_a_line_is_in_the_file_of_its_day(tmp_path: Path) -> None:
    """The folder is made, the file is its owner's, and the day is that of UTC."""
    clock = Hands(datetime.fromisoformat("2026-03-01T01:30:00+02:00"))
    log = LogFile(tmp_path / "logs", clock=clock, retention=90)

    assert log.write(b"one\n") == 4

    path = tmp_path / "logs" / "rustybt-2026-02-28.jsonl"
    assert path.read_bytes() == b"one\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_hundred_days_leave_the_last_ninety(tmp_path: Path) -> None:
    """Each day has a file with its own line; of a hundred the last ninety are kept."""
    clock = Hands()
    log = LogFile(tmp_path, clock=clock, retention=90)
    for _ in range(100):
        log.write(b"%s\n" % clock.now.date().isoformat().encode())
        clock.now += timedelta(days=1)

    days = [NOON.date() + timedelta(days=number) for number in range(10, 100)]
    assert names(tmp_path) == [file_name(day) for day in days]
    assert all(
        (tmp_path / file_name(day)).read_text("ascii") == f"{day.isoformat()}\n" for day in days
    )


def test_only_log_files_are_ever_removed(tmp_path: Path) -> None:
    """What has another name stays, however old it says it is."""
    others = ["notes.txt", "rustybt-2020-01-01.jsonl.gz", "rustybt-2020-13-45.jsonl"]
    for name in others:
        (tmp_path / name).touch()
    (tmp_path / "rustybt-2020-01-01.jsonl").touch()

    LogFile(tmp_path, clock=Hands(), retention=1).write(b"x\n")

    assert names(tmp_path) == sorted([*others, file_name(NOON.date())])


def test_a_second_session_goes_on_in_the_same_file(tmp_path: Path) -> None:
    """Nothing of the first is lost."""
    first = LogFile(tmp_path, clock=Hands(), retention=9)
    first.write(b"one\n")
    first.close()
    second = LogFile(tmp_path, clock=Hands(), retention=9)
    second.write(b"two\n")
    first.write(b"three\n")

    assert (tmp_path / file_name(NOON.date())).read_bytes() == b"one\ntwo\nthree\n"


def test_lines_of_processes_never_mix(tmp_path: Path) -> None:
    """Three processes write at once; each line is whole."""
    code = (
        "import sys;from datetime import UTC,datetime;from pathlib import Path\n"
        "from rustybt.monitoring.logfile import LogFile\n"
        "log=LogFile(Path(sys.argv[1]),clock=lambda:datetime(2026,3,1,tzinfo=UTC),retention=9)\n"
        "for n in range(300): log.write(sys.argv[2].encode()*200+b'\\n')\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), letter]) for letter in "abc"
    ]
    assert [each.wait() for each in running] == [0, 0, 0]

    lines = (tmp_path / file_name(NOON.date())).read_text("ascii").splitlines()
    assert sorted(lines) == sorted(letter * 200 for letter in "abc" for _ in range(300))


def test_a_folder_that_cannot_be_made_stops_nobody(tmp_path: Path) -> None:
    """A line that cannot be written is counted, and the count is told once it can be."""
    in_the_way = tmp_path / "logs"
    in_the_way.write_text("a file", "ascii")
    clock = Hands()
    log = LogFile(in_the_way, clock=clock, retention=9)

    assert log.write(b"lost\n") == 0
    assert log.write(b"lost as well\n") == 0
    assert log.dropped == 2
    assert log.trouble == "File exists"

    in_the_way.unlink()
    log.write(b"too soon\n")
    clock.now += timedelta(seconds=1)
    log.write(b"kept\n")
    said, kept = (in_the_way / file_name(NOON.date())).read_bytes().splitlines()
    assert json.loads(said) == {
        "time": "2026-03-01T12:00:01Z",
        "level": "warning",
        "event": "log lines were lost",
        "lost": 3,
    }
    assert kept == b"kept"
    assert (log.dropped, log.trouble) == (0, "")


def test_a_full_disk_stops_nobody(tmp_path: Path) -> None:
    """The device that is always full takes nothing, and nobody hears of it but who asks."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no device that is full")
    (tmp_path / file_name(NOON.date())).symlink_to("/dev/full")
    log = LogFile(tmp_path, clock=Hands(), retention=9)

    assert log.write(b"x\n") == 0
    assert "No space left" in log.trouble
    log.close()


def test_a_clock_that_steps_back_does_not_silence_the_log(tmp_path: Path) -> None:
    """The moment of rest after a failure is over when the clock says a time before it."""
    folder = tmp_path / "logs"
    folder.touch()
    clock = Hands()
    log = LogFile(folder, clock=clock, retention=9)
    log.write(b"lost\n")
    folder.unlink()
    clock.now -= timedelta(hours=1)

    assert log.write(b"kept\n") == 5


def test_a_line_cut_short_ends_there(tmp_path: Path) -> None:
    """A file that may only grow so far takes part of a line; the next begins a line of its own."""
    code = (
        "import resource,signal,sys;from datetime import UTC,datetime;from pathlib import Path\n"
        "from rustybt.monitoring.logfile import LogFile\n"
        "signal.signal(signal.SIGXFSZ,signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE,(10,resource.RLIM_INFINITY))\n"
        "log=LogFile(Path(sys.argv[1]),clock=lambda:datetime(2026,3,1,tzinfo=UTC),retention=9)\n"
        "print(log.write(b'123456\\n'),log.write(b'abcdefg\\n'),log.dropped,log.trouble)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )

    assert done.stdout == "7 0 1 only 3 of 8 bytes of a line were written\n"
    assert (tmp_path / file_name(NOON.date())).read_bytes() == b"123456\nabc"


def test_names_tell_days() -> None:
    """A name that is no day's has no day."""
    assert day_of("rustybt-2026-03-01.jsonl") == date(2026, 3, 1)
    assert day_of("rustybt-2026-02-30.jsonl") is None
    assert day_of("other.jsonl") is None


def test_a_retention_of_nothing_is_refused(tmp_path: Path) -> None:
    """Today's file at least is kept."""
    with pytest.raises(ValueError, match="0 days cannot be kept"):
        LogFile(tmp_path, clock=Hands(), retention=0)
