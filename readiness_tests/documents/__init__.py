"""The documentation as something that can be judged: what it names exists, what it shows runs."""
