"""The winkel command: one file per command."""
