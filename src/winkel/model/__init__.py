"""The nouns of billing: frozen types and small arithmetic; no I/O, no clock."""
