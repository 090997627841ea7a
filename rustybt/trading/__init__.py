"""The trading engine of paper and live sessions: events in, commands out, a journal in between."""
