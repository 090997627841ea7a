"""Other engines and ours on the same bars, each in an environment of its own."""
