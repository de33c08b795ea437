"""Dead letters: what could not be counted is retried, discarded, and told to who listens."""
