"""Alerts to people: rules, channels, a durable outbox, delivery, receipts of test alerts."""
