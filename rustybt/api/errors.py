"""What keeps the HTTP interface from serving."""

from rustybt.errors import RustyBTError


class ApiError(RustyBTError):
    """The HTTP interface cannot be started, or not like this."""
