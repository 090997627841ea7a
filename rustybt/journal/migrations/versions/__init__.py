"""The versions of the schema, oldest first. One that was released is never changed."""
