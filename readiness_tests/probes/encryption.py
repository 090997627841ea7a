"""Try to trade over addresses without encryption, and at a server that nobody vouches for."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rustybt.adapters.venue.ccxt_venue import CcxtVenue
from rustybt.adapters.venue.errors import VenueError
from rustybt.adapters.venue.exchange import Access
from rustybt.trading.clocks import WallClock


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was said of each of *addresses*, and of a server with a certificate of its own.

    *answered* counts the requests that this server has got to see.
    """
    refused = {address: _said(address) for address in arguments["addresses"]}
    return {"refused": refused, **asyncio.run(_self_signed())}


def _said(address: str) -> str:
    """Return what starting a venue at *address* says, nothing if it does not mind."""
    try:
        asyncio.run(_start(address))
    except VenueError as error:
        return str(error)
    return ""


async def _start(address: str) -> None:
    """Start a venue at *address*, and stop it."""
    rest = address if address.startswith("http") else "https://127.0.0.1:9"
    stream = address if address.startswith("ws") else "wss://127.0.0.1:9"
    config = {
        "apiKey": "nobody",
        "secret": "nothing",
        "timeout": 3000,
        "urls": {
            "api": {
                "public": f"{rest}/api/v3",
                "private": f"{rest}/api/v3",
                "v1": f"{rest}/api/v1",
                "ws": {"spot": f"{stream}/stream/ws"},
            }
        },
        "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False},
    }
    venue = CcxtVenue(Access("probe", "binance", config), clock=WallClock())
    try:
        await venue.start(lambda _: None)
    finally:
        await venue.stop()


async def _self_signed() -> dict[str, Any]:
    """Speak to a server with a certificate that it made itself."""
    answered = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        await reader.readline()
        answered += 1
        body = b'{"serverTime":1}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_certificate())
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        await _start(f"https://127.0.0.1:{port}")
        said = ""
    except VenueError as error:
        said = str(error)
    finally:
        server.close()
    return {"self_signed": said.replace(str(port), "PORT"), "answered": answered}


def _certificate() -> tuple[Path, Path]:
    """Make a certificate for loopback that nobody else has signed; return it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    certificate, private = Path("certificate.pem"), Path("private.pem")
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private
