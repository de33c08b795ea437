# Tokens are sold by the million, a started hundredth of a million counts. Rounding happens on what the period has
# consumed so far; a new line, for example after a price change, gets the difference, so nothing is rounded up twice.

metric tokens: SUM
product Tokens: metric tokens, divided by 1,000,000, rounded up to 2 places
product Exact tokens: metric tokens, divided by 3,000,000
product Kilobits: metric tokens, times 0.008, rounded half-up to 0 places
rate Tokens: 3.00
rate Tokens: 2.50, from 2026-01-15
rate Exact tokens: 1.00
rate Kilobits: 0.01
contract main: 2026-01-01
usage tokens: 1,234,501 on 2026-01-10
usage tokens: 4,000 on 2026-01-20
usage tokens: 7,000 on 2026-01-21

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Tokens [01-01 → 01-15]                                                1.24 × 3.00           3.72
|   Tokens [01-15 → 02-01]                                                0.01 × 2.50          0.025
|   Exact tokens                                                      0.415167 × 1.00       0.415167
|   Kilobits                                                             9,964 × 0.01          99.64
|   total                                                                                 103.800167
