# Credits pay in the hour in which something is charged: January's for what is charged when January ends, February's for
# what is charged in advance for February. Both are on one statement.
product Seat: subscription, tagged seats
rate Seat: 10.00, monthly
contract main: 2026-01-01
subscription After: 1 monthly in arrears, product Seat
subscription Before: 2 monthly in advance, product Seat
credit January: 100.00 from 2026-01-01 to 2026-02-01
credit February: 15.00 from 2026-02-01 to 2026-03-01, pays tag seats
> drafts at 2026-01-31
| SCHEDULED main  2026-01-01  USD
|   Before [01-01 → 02-01]                                                  2 × 10.00          20.00  ← January #1
|   January applied [01-01 → 02-01]                                                           −20.00
|   total                                                                                       0.00
|
| USAGE main  2026-01-01 → 2026-02-01  USD
|   After                                                                   1 × 10.00          10.00  ← January #1
|   January applied                                                                           −10.00
|   Before [02-01 → 03-01]                                                1.5 × 10.00          15.00  ← February #1
|   February applied [02-01 → 03-01]                                                          −15.00
|   Before [02-01 → 03-01]                                                0.5 × 10.00           5.00
|   total                                                                                       5.00
> ledger February at 2026-02-01
| 2026-02-01  CREDIT_SEGMENT_START                               15.00
| 2026-02-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −15.00  (pending)
# A commit that was promised counts seats too.
postpaid Promise: 100.00 from 2026-02-01 to 2026-02-28, trued up 100.00 on 2026-03-05, of main
> finalize at 2026-02-02
| SCHEDULED main  2026-01-01  USD
|   Before [01-01 → 02-01]                                                  2 × 10.00          20.00  ← January #1
|   January applied [01-01 → 02-01]                                                           −20.00
|   total                                                                                       0.00
|
| USAGE main  2026-01-01 → 2026-02-01  USD
|   After                                                                   1 × 10.00          10.00  ← January #1
|   January applied                                                                           −10.00
|   Before [02-01 → 03-01]                                                1.5 × 10.00          15.00  ← February #1
|   February applied [02-01 → 03-01]                                                          −15.00
|   Before [02-01 → 03-01]                                                0.5 × 10.00           5.00  ← Promise #1
|   Promise applied [02-01 → 03-01]                                                            −5.00
|   total                                                                                       5.00
> finalize at 2026-03-06
| USAGE main  2026-02-01 → 2026-03-01  USD
|   After                                                                   1 × 10.00          10.00
|   Before [03-01 → 04-01]                                                  2 × 10.00          20.00
|   total                                                                                      30.00
|
| SCHEDULED main  2026-03-05  USD
|   Promise true-up                                                         1 × 95.00          95.00
|   total                                                                                      95.00
