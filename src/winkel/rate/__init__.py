"""Stage 3: usage → charges. All pure."""
