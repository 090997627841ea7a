"""The practice exchange: a local venue to trade against, with the faults of real ones on demand."""
