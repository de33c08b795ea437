"""Figures about Winkel itself, for those who run it: one file for each role. ("Metric" always means billable metric.)

They are in-process counters, so stages that decide purely may count here. None has a label that names a tenant, a
customer or an event: whoever reads them may not read those, and each value would be a time series of its own. They are
touched once a batch or a request, never once an event.
"""
