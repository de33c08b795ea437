"""Stage 4: charges → invoices. Balances are drawn down, drafts computed, periods closed."""
