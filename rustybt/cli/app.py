"""The commands and their names. A command's module imports what is heavy when it runs."""

from __future__ import annotations

import typer

from rustybt.cli import (
    alerts,
    api,
    audit,
    backtest,
    backup,
    benchmark,
    broker,
    catalog,
    config,
    credentials,
    data,
    dividends,
    exchange,
    home,
    keys,
    operate,
    simulate,
    sweep,
    trade,
)

app = typer.Typer(
    help="A trading engine on exact money that ships with its own proof of readiness.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("init")(home.init)
app.command("keygen")(keys.keygen)
app.command("rotate-keys")(keys.rotate)
app.command("encrypt-credentials")(credentials.encrypt)
app.command("verify-config")(config.verify)
app.command("fetch-data")(data.fetch)
app.command("update-data")(home.update)
app.command("fetch-dividends")(dividends.fetch)
app.command("test-data")(data.try_)
app.command("backtest")(backtest.backtest)
app.command("check-lookahead")(backtest.lookahead)
app.command("sweep")(sweep.sweep)
app.command("benchmark")(benchmark.benchmark)
app.command("simulate")(simulate.simulate)
app.command("practice-exchange")(exchange.practice_exchange)
app.command("paper-trade")(trade.paper_trade)
app.command("live-trade")(trade.live_trade)
app.command("test-broker")(broker.try_)
app.command("status")(operate.status)
app.command("balance")(operate.balance)
app.command("orders")(operate.orders)
app.command("cancel")(operate.cancel)
for _command, _tell in operate.TELLING.items():
    app.command(_command)(_tell)
app.command("test-alerts")(alerts.try_)
app.command("acknowledge-alert")(alerts.acknowledge)
app.command("serve-api")(api.serve)
app.command("verify-audit")(audit.inspect)
app.command("export-audit")(audit.export)
app.command("backup")(backup.backup)
app.command("verify-backup")(backup.look)
app.command("restore")(backup.restore)
app.command("verify-restore")(backup.prove)
app.command("replicate")(backup.replicate)

_credentials = typer.Typer(help="Look at stored credentials, never at their values.")
_credentials.command("list")(credentials.list_)
app.add_typer(_credentials, name="credentials")

_data = typer.Typer(help="Look at the bars in the catalog.")
_data.command("list")(catalog.list_)
_data.command("check")(catalog.inspect)
app.add_typer(_data, name="data")
