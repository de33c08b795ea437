"""Winkel and two stream processors on one job, side by side: same broker, same topic, same answer.

The job: drop repeated transaction ids, then count events and sum tokens by customer, model and hour, exactly once. The
peers keep the answer in a topic, Winkel in PostgreSQL. How the peers are tuned stands in `streams/…/Usage.java` and
`quix_usage.py`.
"""
