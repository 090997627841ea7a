"""Market data: where it comes from, which of it is sound, how it is kept and what is missing."""
