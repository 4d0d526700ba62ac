"""Pure functions on arrays: no files, no network, no settings."""
