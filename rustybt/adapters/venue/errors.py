"""What goes wrong with a venue before a session can begin."""

from rustybt.errors import RustyBTError


class VenueError(RustyBTError):
    """A venue that cannot be reached, refuses the credentials, or cannot do what is needed."""
