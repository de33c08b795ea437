"""winkel replay: usage from a file. rows.py reads, events.py decides (pure), send.py sends, command.py ties them."""
