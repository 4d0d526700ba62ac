"""Tables and blobs: all state lives here."""
