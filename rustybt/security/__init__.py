"""Keys, the vault of credentials, and redaction."""
