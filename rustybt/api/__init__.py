"""The HTTP interface of a deployment: health, figures, the last verdict, and a way to halt.

It is a process of its own beside the engine. What it tells it reads in the journal, so that it
keeps telling when the engine does not run any more; it writes nothing but who asked.
"""
