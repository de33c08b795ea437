"""HTTP: the Metronome-compatible API under /v1 and /v2, Winkel's own under /winkel/v1."""
