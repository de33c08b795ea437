"""Winkel: usage events in; metered usage, live spend and exact invoices out."""

__version__ = "0.1.0"
