"""Simulated sessions one after the other, and what there is to say about one that failed."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from rustybt.model.codec import to_json
from rustybt.trading.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rustybt.trading.simulation.faults import Faults

BARS: Final = 10
"""Instants with bars in a session before it calms down."""
_LAST_STEPS: Final = 40


class Session(Struct, frozen=True, kw_only=True):
    """What came of one seed: *broken* are the invariants that did not hold.

    *events* were told to *starts* engines, of which *crashes* were killed; *orders* and *trades*
    are the venue's; *digest* is the hash of the journal's last record, in hex.
    """

    seed: int
    events: int
    records: int
    starts: int
    crashes: int
    orders: int
    trades: int
    digest: str
    broken: tuple[str, ...] = ()

    @property
    def replay(self) -> str:
        """The command that does the same again."""
        return f"python -m rustybt simulate --seed {self.seed} --sessions 1"


def run_session(
    seed: int,
    *,
    faults: Faults | None = None,
    bars: int = BARS,
    log: Callable[[str], None] | None = None,
) -> Session:
    """Live through the session of *seed*; what an engine raises counts as broken."""
    world = World(seed, faults=faults, log=log)
    try:
        broken = world.run(bars)
    except Exception as error:  # noqa: BLE001 - whatever it is, the engine must not raise it
        broken = (f"the engine raised {type(error).__name__}: {error}",)
    machine = world.machine
    return Session(
        seed=seed,
        events=machine.events,
        records=len(machine.journal),
        starts=machine.generation,
        crashes=machine.crashes,
        orders=len(world.venue.orders),
        trades=len(world.venue.trades),
        digest=machine.journal[-1].own.hex() if machine.journal else "",
        broken=broken,
    )


def run_sessions(seed: int, count: int, *, bars: int = BARS) -> Iterator[Session]:
    """Live through *count* sessions, those of *seed* and the numbers after it."""
    for number in range(seed, seed + count):
        yield run_session(number, bars=bars)


def last_steps(session: Session, *, bars: int = BARS, count: int = _LAST_STEPS) -> tuple[str, ...]:
    """Return the last steps of a session, which is replayed for it, one line each."""
    lines: deque[str] = deque(maxlen=count)
    run_session(session.seed, bars=bars, log=lines.append)
    return tuple(lines)


def journal_of(seed: int, *, bars: int = BARS) -> bytes:
    """Return the whole journal of a session as lines of JSON."""
    world = World(seed)
    world.run(bars)
    return b"".join(to_json(record) + b"\n" for record in world.machine.journal)
