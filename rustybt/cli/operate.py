"""``status``, ``balance``, ``orders`` and what a person can tell an engine that is running."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rustybt.cli.options import DEFAULT_HOME, HomeOption, JsonOption, wall_clock
from rustybt.cli.output import emit_json, say, table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rustybt.trading.control import Request
    from rustybt.trading.state import EngineState

ReasonOption = Annotated[
    str, typer.Option(help="Why, for the audit log.", show_default=False, prompt=False)
]
OperatorOption = Annotated[
    str | None, typer.Option(help="Who says so, for the audit log [the user of this process].")
]


def status(home: HomeOption = DEFAULT_HOME, *, json: JsonOption = False) -> None:
    """Show how the engine stands: running or not, trading or halted, and what it holds.

    A running engine answers itself; else the journal tells how the last session left things.
    """
    answer, running = _told(home, "status")
    answer = {"running": running, **answer}
    if json:
        emit_json(answer)
        return
    breaker = answer["breaker"]
    halted = f"since {breaker['since']}: {breaker['cause']}" if breaker["tripped"] else "no"
    rows = [
        ("engine", "running" if running else "not running; this is what the journal says"),
        ("session", f"{answer['session']} ({answer['session_id']})"),
        ("time", str(answer["time"])),
        ("phase", answer["phase"]),
        ("trading enabled", "yes" if answer["enabled"] else "no"),
        ("halted", halted),
        ("connections lost", ", ".join(sorted(answer["lost"])) or "none"),
        ("orders", f"{answer['open_orders']} open, {answer['in_doubt']} in doubt"),
        ("fills", str(answer["fills"])),
        ("equity", f"{answer['equity']} {answer['currency']}"),
    ]
    table(("", "status"), rows)
    _positions(answer)


def balance(home: HomeOption = DEFAULT_HOME, *, json: JsonOption = False) -> None:
    """Show the books: equity, cash by currency, positions at the last prices."""
    answer, running = _told(home, "balance")
    if json:
        emit_json({"running": running, **answer})
        return
    rows = [(currency, str(amount)) for currency, amount in answer["cash"].items()]
    table(("currency", "cash"), rows, title=f"equity {answer['equity']} {answer['currency']}")
    _positions(answer)


_COLUMNS = (
    "client_id",
    "symbol",
    "side",
    "type",
    "quantity",
    "filled",
    "price",
    "trigger",
    "state",
    "created",
)


def orders(
    home: HomeOption = DEFAULT_HOME,
    *,
    ended: Annotated[bool, typer.Option("--all", help="Show those that have ended, too.")] = False,
    json: JsonOption = False,
) -> None:
    """Show the open orders."""
    answer, running = _told(home, "orders", ended=ended)
    if json:
        emit_json({"running": running, **answer})
        return
    rows = [[str(order[name] or "") for name in _COLUMNS] for order in answer["orders"]]
    if not rows:
        say("there are no orders" if ended else "there are no open orders")
        return
    table([name.replace("_", " ") for name in _COLUMNS], rows)


def _telling(command: str, what: str) -> Callable[..., None]:
    """Return the command that tells a running engine *command*; *what* is its help."""

    def tell(
        reason: ReasonOption,
        operator: OperatorOption = None,
        home: HomeOption = DEFAULT_HOME,
        *,
        json: JsonOption = False,
    ) -> None:
        _tell(home, command, operator, reason, json=json)

    tell.__doc__ = what
    return tell


TELLING: Final = {
    command: _telling(command, what)
    for command, what in {
        "enable": "Let the running engine trade, once its recovery is complete.",
        "disable": "Keep the running engine from trading; what it has ordered stays.",
        "halt": "Trip the breaker of the running engine: it cancels orders and sends no more.",
        "resume": "Reset the breaker of the running engine: it may trade again.",
        "flatten": "Cancel all orders of the running engine, then close all positions.",
        "stop": "End the session of the running engine in good order.",
    }.items()
}
"""What a person can tell a running engine, by the name of the command."""


def cancel(
    client_id: Annotated[str, typer.Argument(help="The order's client id, as orders shows it.")],
    reason: ReasonOption,
    operator: OperatorOption = None,
    home: HomeOption = DEFAULT_HOME,
    *,
    json: JsonOption = False,
) -> None:
    """Cancel an order of the running engine."""
    from rustybt.trading.control import ControlError

    answer, running = _told(home, "orders")
    known = [order["client_id"] for order in answer["orders"]]
    if running and client_id not in known:
        raise ControlError(
            f"there is no open order {client_id!r}", expected=", ".join(known) or "an open order"
        )
    _tell(home, "cancel", operator, reason, json=json, client_id=client_id)


# How it is done


def _tell(
    home: Path, command: str, operator: str | None, reason: str, *, json: bool, **arguments: str
) -> None:
    """Tell the running engine something, and say how it stands then."""
    from rustybt.system.session import operator as this_person
    from rustybt.trading.control import Request

    if not reason.strip():
        raise typer.BadParameter("it must not be empty", param_hint="--reason")
    who = (operator or this_person()).strip()
    request = Request(command=command, operator=who, reason=reason, arguments=arguments)
    answer = _asked(home, request)
    if json:
        emit_json({"operator": who, "reason": reason, **answer})
        return
    say(f"the engine has taken {command} from {who}: {reason}")


def _told(home: Path, question: str, *, ended: bool = False) -> tuple[dict[str, Any], bool]:
    """Return the answer to a question, and whether it is that of a running engine."""
    from rustybt.trading.control import NotRunningError, Request

    arguments = {"ended": "yes"} if ended else {}
    try:
        answer = _asked(home, Request(command=question, arguments=arguments))
    except NotRunningError:
        return _read(home, question, ended=ended), False
    return (answer if question == "orders" else answer[question]), True


def _asked(home: Path, request: Request) -> dict[str, Any]:
    """Return what the engine of the deployment answers."""
    from rustybt.home import Home
    from rustybt.settings import load_settings
    from rustybt.trading.control import ask, socket_file

    settings = load_settings(home, os.environ)
    return ask(socket_file(Home(settings.home)), request)


def _read(home: Path, question: str, *, ended: bool) -> dict[str, Any]:
    """Return the answer that the journal has."""
    from rustybt.trading.summary import balance as balance_of
    from rustybt.trading.summary import orders as orders_of
    from rustybt.trading.summary import summary

    state = _state(home)
    if question == "orders":
        return {"orders": orders_of(state, ended=ended)}
    return summary(state) if question == "status" else balance_of(state)


def _state(home: Path) -> EngineState:
    """Return how the last session left things."""
    from rustybt.settings import load_settings
    from rustybt.system.wiring import state_of

    return state_of(load_settings(home, os.environ), wall_clock)


def _positions(answer: dict[str, Any]) -> None:
    """Print the positions, if there are any."""
    rows = [
        [symbol, *(str(position[name] or "") for name in ("quantity", "average_price", "price"))]
        for symbol, position in answer["positions"].items()
    ]
    if rows:
        table(("position", "quantity", "average price", "last price"), rows)
