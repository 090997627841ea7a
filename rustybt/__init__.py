"""RustyBT: a trading engine on exact money that ships with its own proof of readiness."""
