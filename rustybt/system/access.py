"""The account of a deployment at its venue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rustybt.adapters.venue.errors import VenueError
from rustybt.adapters.venue.exchange import Access
from rustybt.deployment import open_vault
from rustybt.settings.venues import PRACTICE, required_fields

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pydantic import SecretStr

    from rustybt.settings import Settings

_CCXT_NAMES: Final = {
    "api_key": "apiKey",
    "api_secret": "secret",
    "private_key": "privateKey",
    "wallet_address": "walletAddress",
}


def venue_access(
    settings: Settings, venue: str, clock: Callable[[], datetime], *, testnet: bool | None = None
) -> Access:
    """Return the account at *venue* whose credentials the deployment has, in clear or in the vault.

    *testnet* goes before the deployment's own setting, which is true unless it says otherwise.
    Raise :class:`~rustybt.adapters.venue.errors.VenueError` naming every credential that is
    missing, and for the practice exchange, whose address only who started it knows.
    """
    if venue == PRACTICE:
        raise VenueError(
            "the practice exchange has no address of its own",
            remedy="start one with practice-exchange, or let the command start one",
        )
    own = next((each for each in settings.venues if each.name == venue), None)
    found: dict[str, SecretStr] = {} if own is None else own.plaintext()
    vault = open_vault(settings, clock)
    for entry in vault.entries():
        if entry.name == venue:
            found.setdefault(entry.field, vault.get(venue, entry.field))
    missing = [name for name in required_fields(venue) if name not in found]
    if missing:
        raise VenueError(
            f"{venue}: no {' and no '.join(missing)} in .env or in the vault",
            remedy="write them into .env, then run encrypt-credentials",
        )
    if testnet is None:
        testnet = True if own is None else own.testnet
    config = {
        _CCXT_NAMES.get(name, name): value.get_secret_value() for name, value in found.items()
    }
    return Access(name=venue, exchange=venue, config=config, testnet=testnet)
