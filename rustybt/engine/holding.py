"""What happens to positions between bars: corporate actions, the cost of holding, margin calls.

Before the orders see the bars of an instant, in this order: the nights since the bars before are
charged for at the last closes; the margin is looked at, at these closes as well; and the corporate
actions that take effect with these bars are booked. All of it goes through the ledger.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rustybt.accounting.charges import funding_charge
from rustybt.accounting.ledger import Ledger
from rustybt.engine.actions import ActionKind, place, read_actions
from rustybt.engine.errors import ActionError
from rustybt.engine.margin import Margin
from rustybt.model.event import Charged, ChargeKind, DividendPaid, SharesSplit
from rustybt.model.money import divide, multiply, product, subtract
from rustybt.strategy.bar import instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from rustybt.engine.actions import Action, Due
    from rustybt.engine.desk import Desk
    from rustybt.engine.terms import HoldingCosts
    from rustybt.model.event import BookEntry

DAY: Final = 86_400_000_000  # microseconds
FUNDING_STEP: Final = Decimal("1e-8")
"""What dated funding is rounded to, to the nearest: venues that charge it count in such units."""


class Holding:
    """Looks after the positions of a *desk* as the tape goes along.

    *due* are the actions in the order in which they take effect.
    """

    def __init__(
        self,
        desk: Desk,
        due: Sequence[Due] = (),
        *,
        costs: HoldingCosts | None = None,
        margin: Margin | None = None,
    ) -> None:
        self._desk = desk
        self._due = due
        self._next = 0
        self._costs = costs
        self.margin = margin
        self._day = desk.tape.began(0) // DAY
        self._ledger = Ledger(desk.account.instruments)
        self._seen = 0
        self._prices: dict[int, tuple[int, Decimal]] = {}

    def begin(self, first: int, last: int) -> None:
        """Do what is to be done before the bars in the rows from *first* until before *last*."""
        day = self._desk.tape.began(first) // DAY
        if self._costs is not None and day > self._day:
            self._charge(self._costs, first, day - self._day)
        self._day = day
        if self.margin is not None:
            self.margin.call()
        while self._next < len(self._due) and self._due[self._next].row < last:
            self._act(self._due[self._next])
            self._next += 1

    def price(self, index: int, row: int) -> Decimal:
        """Return the close of *row*, a symbol's last, less what happened since then."""
        known = self._prices.get(index)
        if known is not None and known[0] == row:
            return known[1]
        return self._desk.tape.exact(row, "close")

    # The cost of holding

    def _charge(self, costs: HoldingCosts, row: int, days: int) -> None:
        """Charge for so many *days* that were held until *row*."""
        desk = self._desk
        for index, units in enumerate(desk.account.positions):
            if not units:
                continue
            symbol = desk.tape.symbols[index]
            value = product(units, desk.last_price(index), desk.account.multipliers[index])
            for kind, amount in costs.charges(symbol, value, days):
                self._pay(index, row, kind, amount, f"{kind} {symbol} {desk.now}")

    def _pay(self, index: int, row: int, kind: ChargeKind, amount: Decimal, name: str) -> None:
        """Book a charge, unless it is nothing."""
        if not amount:
            return
        instrument = self._desk.account.instruments[index]
        entry = Charged(
            time=instant(self._desk.now),
            entry_id=name,
            kind=kind,
            currency=instrument.quote,
            amount=amount,
            symbol=instrument.symbol,
        )
        self._book(entry, index, row)

    # Corporate actions

    def _act(self, due: Due) -> None:
        """Let an action take effect; nothing is booked where nothing is held."""
        row, number, action = due
        desk = self._desk
        index = desk.indices[action.symbol]
        held = desk.account.positions[index]
        last = desk.last_price(index)
        name = f"{action.kind} {action.symbol} {number + 1}"
        if action.kind is ActionKind.SPLIT:
            self._split(index, row, action, name)
            last = divide(multiply(last, action.old), action.new)
        elif action.kind is ActionKind.DIVIDEND:
            if held:
                paid = DividendPaid(
                    time=instant(desk.now),
                    entry_id=name,
                    symbol=action.symbol,
                    per_unit=action.amount,
                )
                self._book(paid, index, row)
            last = subtract(last, action.amount)
        elif held:
            value = product(held, last, desk.account.multipliers[index])
            amount = funding_charge(value, action.amount, cent=FUNDING_STEP)
            self._pay(index, row, ChargeKind.FUNDING, amount, name)
        self._prices[index] = desk.row(index), last

    def _split(self, index: int, row: int, action: Action, name: str) -> None:
        """Split what is held and what is ordered; fractions are paid at the open of *row*."""
        desk = self._desk
        if desk.account.positions[index]:
            entry = SharesSplit(
                time=instant(desk.now),
                entry_id=name,
                symbol=action.symbol,
                new=action.new,
                old=action.old,
                price=desk.tape.exact(row, "open"),
            )
            self._book(entry, index, row)
        desk.venue.split(index, action.new, action.old, instant(desk.now))

    def _book(self, entry: BookEntry, index: int, row: int) -> None:
        """Let the ledger book *entry* and take over what it changes."""
        desk, ledger, log = self._desk, self._ledger, self._desk.account.log
        instrument = desk.account.instruments[index]
        for number in range(self._seen, len(log)):
            if number not in log.entries:
                ledger.apply(log.fill(number, desk.tape.symbols))
        units, cash = ledger.quantity(instrument.symbol), ledger.cash(instrument.quote)
        ledger.book(entry)
        units = subtract(ledger.quantity(instrument.symbol), units)
        amount = subtract(ledger.cash(instrument.quote), cash)
        desk.account.enter(index, row, desk.now, entry, units, amount)
        self._seen = len(log)


def attend(
    desk: Desk,
    *,
    actions: pl.DataFrame | None,
    costs: HoldingCosts | None,
    margin: str | None,
) -> None:
    """Let a :class:`Holding` look after *desk*, if there is anything to look after.

    Raise :class:`~rustybt.engine.errors.ActionError` for actions that cannot be used, and
    :class:`~rustybt.engine.errors.BacktestError` for a margin policy that there is not.
    """
    if actions is None and costs is None and margin is None:
        return
    due, notes = place(() if actions is None else read_actions(actions), desk.tape)
    _refuse_contracts(desk, due)
    desk.notes += notes
    if costs is not None and (unknown := sorted(costs.symbols - desk.indices.keys())):
        desk.notes.append(f"rates of symbols that have no bars were left out: {', '.join(unknown)}")
    desk.attend(
        Holding(desk, due, costs=costs, margin=None if margin is None else Margin(desk, margin))
    )


def _refuse_contracts(desk: Desk, due: Sequence[Due]) -> None:
    """Refuse dividends and splits of contracts: nobody owns what they are on."""
    wrong = {
        f"a {each.action.kind} of {each.action.symbol}"
        for each in due
        if each.action.kind is not ActionKind.FUNDING
        and desk.instrument(each.action.symbol).is_margined
    }
    if wrong:
        raise ActionError(
            f"{', '.join(sorted(wrong))}, which is a contract",
            expected="dividends and splits of shares; funding of contracts",
        )
