# The contract ends five hours into 1 February: two periods end on that day, and the last of them has its dates, whatever
# their hour. Those of other days, and those after the last period, have invoices of their own; so has a true-up.
metric calls: SUM
product Calls: metric calls
rate Calls: 1.00
contract main: 2026-01-01 to 2026-02-01T05, charges on usage invoices
charge Fee: 1.00 on 2026-01-31T23, 2.00 on 2026-02-01, 4.00 on 2026-02-01T05, 8.00 on 2026-02-01T09, 16.00 on 2026-02-02
discount Launch: 0.50 on 2026-02-01, 0.25 on 2026-02-02
postpaid Promise: 10.00 from 2026-01-01 to 2026-02-01, trued up 10.00 on 2026-02-01, of main
usage calls: 3 on 2026-01-10
> drafts at 2026-02-01T01
| SCHEDULED main  2026-01-31T23  USD
|   Fee                                                                      1 × 1.00           1.00
|   total                                                                                       1.00
|
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls                                                                    3 × 1.00           3.00  ← Promise #1
|   Promise applied                                                                            −3.00
|   total                                                                                       3.00
|
| SCHEDULED main  2026-02-01  USD
|   Promise true-up                                                          1 × 7.00           7.00
|   total                                                                                       7.00
|
| USAGE main  2026-02-01 → 2026-02-01T05  USD
|   Calls                                                                    0 × 1.00           0.00
|   Fee                                                                      1 × 2.00           2.00
|   Fee                                                                      1 × 4.00           4.00
|   Fee                                                                      1 × 8.00           8.00
|   Launch                                                                  1 × −0.50          −0.50
|   total                                                                                      13.50
|
| SCHEDULED main  2026-02-02  USD
|   Fee                                                                     1 × 16.00          16.00
|   Launch                                                                  1 × −0.25          −0.25
|   total                                                                                      15.75
> finalize at 2026-02-02T05
| SCHEDULED main  2026-01-31T23  USD
|   Fee                                                                      1 × 1.00           1.00
|   total                                                                                       1.00
|
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls                                                                    3 × 1.00           3.00  ← Promise #1
|   Promise applied                                                                            −3.00
|   total                                                                                       3.00
|
| SCHEDULED main  2026-02-01  USD
|   Promise true-up                                                          1 × 7.00           7.00
|   total                                                                                       7.00
|
| USAGE main  2026-02-01 → 2026-02-01T05  USD
|   Calls                                                                    0 × 1.00           0.00
|   Fee                                                                      1 × 2.00           2.00
|   Fee                                                                      1 × 4.00           4.00
|   Fee                                                                      1 × 8.00           8.00
|   Launch                                                                  1 × −0.50          −0.50
|   total                                                                                      13.50
|
| SCHEDULED main  2026-02-02  USD
|   Fee                                                                     1 × 16.00          16.00
|   Launch                                                                  1 × −0.25          −0.25
|   total                                                                                      15.75
# All is final. A fee that is agreed later for the same day has an invoice of its own.
charge Late: 32.00 on 2026-02-01
> drafts at 2026-02-02T05
| SCHEDULED main  2026-02-01  USD
|   Late                                                                    1 × 32.00          32.00
|   total                                                                                      32.00
