"""The fleet: which process meters what, and how many there are."""
