"""The alert rules of a new home."""

from __future__ import annotations

from typing import Final

ALERT_RULES: Final = """\
# Whom to tell of what. Secrets may stand here (this file is of mode 0600) or, better, in .env or
# the environment: ${ALERT_NAME} in an address is replaced by the variable of that name.
# `python -m rustybt test-alerts` tries every channel; what arrives has a code in it, which
# `python -m rustybt acknowledge-alert CODE` takes back.

# Addresses are Apprise URLs: e-mail, Slack, SMS services, webhooks and many more. `severities` is
# what goes there, all of info, warning and critical unless it says otherwise.
channels:
  # mail:
  #   url: mailtos://user:${ALERT_MAIL_PASSWORD}@example.com?to=operations@example.com
  #   contact: Operations
  # slack:
  #   url: slack://${ALERT_SLACK_TOKEN}/#trading
  #   contact: Trading desk
  #   severities: [warning, critical]
  # phone:
  #   url: twilio://${ALERT_TWILIO_SID}:${ALERT_TWILIO_TOKEN}@15555550100/15555550111
  #   contact: On-call engineer
  #   severities: [critical]

# The first rule that fits decides: one of `kinds`, and the text of `contains` in the message.
# `severity` overrules the engine's; the same alert again within `repeat_after` seconds is not told.
rules:
  broker-connection:
    kinds: [connection_lost]
    severity: critical
    repeat_after: 300
  broker-connection-restored:
    kinds: [connection_restored]
    repeat_after: 300
  daily-loss:
    kinds: [breaker]
    contains: "daily loss:"
    severity: critical
  # Every other breaker: rejections, failed requests, orders, drawdown, clock skew, stale data...
  breaker:
    kinds: [breaker]
    severity: critical
  order-rejection:
    kinds: [rejection, lost_order]
  system-error:
    kinds: [strategy_error, session_failed]
    severity: critical
  books:
    kinds: [discrepancy, delisted, flattened, missing_bar, stop_incomplete]
  impossible:
    kinds: [conflicting_fill, entry, fill, impossible_fill, impossible_order, instrument, overfill]
    severity: critical

# To each channel at most so many messages within so many seconds; the last one tells of all that
# wait, up to 50 in full: the journal has the others.
rate:
  messages: 10
  seconds: 600
"""
