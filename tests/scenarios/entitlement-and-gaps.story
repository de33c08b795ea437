# A rate that ends leaves a gap: nothing is billed, and nothing counts towards tiers or rounding. The same holds while a
# rate says that the customer is not entitled. A short-lived rate interrupts a long one, which then holds again.

metric calls: SUM
product Calls: metric calls
product Batch: metric calls
rate Calls: 10 at 1.00, rest at 0.10, until 2026-01-05
rate Calls: 10 at 1.00, rest at 0.10, from 2026-01-10
rate Batch: 1.00
rate Batch: 0.50, from 2026-01-04, until 2026-01-07
rate Batch: 1.00, not entitled, from 2026-01-20
contract main: 2026-01-01
usage calls: 2 daily 2026-01-01 to 2026-02-01

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls tier 1 [01-01 → 01-05]                                             8 × 1.00           8.00
|   Calls tier 1 [01-10 → 02-01]                                             2 × 1.00           2.00
|   Calls tier 2 [01-10 → 02-01]                                            42 × 0.10           4.20
|   Batch [01-01 → 01-04]                                                    6 × 1.00           6.00
|   Batch [01-04 → 01-07]                                                    6 × 0.50           3.00
|   Batch [01-07 → 01-20]                                                   26 × 1.00          26.00
|   total                                                                                      49.20
