"""The alert rules for Prometheus: its own tool accepts them, and each fires when it should."""

import json
import re
import shutil
import subprocess
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from rustybt.api import metrics

RULES: Final = files("rustybt.api") / "prometheus-alerts.yaml"
NAME: Final = re.compile(r"\brustybt_[a-z_]+")
PROMTOOL: Final = shutil.which("promtool")
REQUESTS: Final = 'rustybt_requests_total{instance="i"}'
ERRORS: Final = 'rustybt_request_errors_total{instance="i"}'
LATENCY: Final = "rustybt_order_latency_seconds_bucket"
UP: Final = {'up{job="rustybt"}': "1x60"}
BAD: Final[dict[str, dict[str, str]]] = {
    "RustyBTNotScraped": {'up{job="rustybt"}': "0x60"},
    "RustyBTEngineDown": {"rustybt_engine_running": "0x60"},
    "RustyBTBreakerTripped": {"rustybt_breaker_tripped": "1x60"},
    "RustyBTJournalUnreadable": {"rustybt_journal_readable": "0x60"},
    "RustyBTJournalBehind": {"rustybt_journal_lag_seconds": "121x60"},
    "RustyBTComponentDown": {'rustybt_component_up{component="feed"}': "0x60"},
    "RustyBTOrderInDoubt": {"rustybt_orders_in_doubt": "1x60"},
    "RustyBTErrorRate": {REQUESTS: "0+100x60", ERRORS: "0+6x60"},
    "RustyBTSlowOrders": {
        f'{LATENCY}{{instance="i",le="0.1"}}': "0x60",
        f'{LATENCY}{{instance="i",le="5.0"}}': "0+1x60",
        f'{LATENCY}{{instance="i",le="10.0"}}': "0+9x60",
        f'{LATENCY}{{instance="i",le="+Inf"}}': "0+9x60",
    },
}
WELL: Final = {
    **UP,
    "rustybt_engine_running": "1x60",
    "rustybt_breaker_tripped": "0x60",
    "rustybt_journal_readable": "1x60",
    "rustybt_journal_lag_seconds": "1x60",
    'rustybt_component_up{component="feed"}': "1x60",
    "rustybt_orders_in_doubt": "0x60",
    REQUESTS: "0+100x60",
    ERRORS: "0+4x60",
    f'{LATENCY}{{instance="i",le="0.1"}}': "0+9x60",
    f'{LATENCY}{{instance="i",le="+Inf"}}': "0+9x60",
}


def rules() -> dict[str, dict[str, Any]]:
    """Return the rules by name."""
    (group,) = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def test_each_rule_names_what_is_exported_and_says_what_to_do() -> None:
    """No query asks for a figure that nobody gives."""
    source = Path(metrics.__file__).read_text("utf-8")
    for name, rule in rules().items():
        for metric in NAME.findall(rule["expr"]):
            short = re.sub(r"_(total|bucket)$", "", metric.removeprefix("rustybt_"))
            assert f'"{short}"' in source or f'"rustybt_{short}"' in source, (name, metric)
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_every_rule_has_its_case() -> None:
    """The next test leaves none out."""
    assert rules().keys() == BAD.keys()


@pytest.mark.skipif(PROMTOOL is None, reason="promtool (Debian: prometheus) is not installed")
def test_prometheus_takes_them_and_each_fires_alone(tmp_path: Path) -> None:
    """After half an hour of what is bad that alert is there, and of what is well none."""
    cases = [_case(WELL | series, name) for name, series in BAD.items()]
    cases += [_case(WELL, name, fires=False) for name in BAD]
    with as_file(RULES) as path:
        document = {"rule_files": [str(path)], "evaluation_interval": "1m", "tests": cases}
        (tmp_path / "cases.yaml").write_text(json.dumps(document), "utf-8")
        for words in (["check", "rules", str(path)], ["test", "rules", "cases.yaml"]):
            done = subprocess.run(
                [str(PROMTOOL), *words], cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr


def _case(series: dict[str, str], name: str, *, fires: bool = True) -> dict[str, Any]:
    """Return a case of promtool: these series lead to that alert, or do not."""
    # Labels and texts depend on the series: a query counts what fires.
    query = f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)'
    return {
        "interval": "1m",
        "input_series": [{"series": key, "values": value} for key, value in series.items()],
        "promql_expr_test": [
            {
                "expr": query,
                "eval_time": "30m",
                "exp_samples": [{"labels": "{}", "value": int(fires)}],
            }
        ],
    }
