"""Invoices on paper: what stands on the page, and the page itself as PDF."""
