# What rolled over comes first: the promise, which only counts, then by priority, and then the new contract's own. Of the rest
# of the promise the old true-up asks for 30. What may not roll over, or could not be used any more, has expired.
metric calls: SUM
product Calls: metric calls
rate Calls: 1.00
contract old: 2025-01-01 to 2026-01-01, annual
credit Given: 10.00 from 2025-01-01 to 2026-01-01, priority 2, rolls over 100%, of old
prepaid Bought: 10.00 from 2025-01-01 to 2026-01-01, priority 1, invoiced 8.00 on 2025-01-01, rolls over 100%, of old
credit Some: 10.00 from 2025-01-01 to 2026-01-01, priority 3, rolls over 25%, of old
credit Nothing: 10.00 from 2025-01-01 to 2026-01-01, of old
credit Gone: 10.00 from 2025-01-01 to 2025-12-31, rolls over 100%, of old
postpaid Promise: 50.00 from 2025-01-01 to 2026-01-01, trued up 50.00 on 2026-01-01, rolls over 40%, of old
contract new: 2026-01-01, annual, renews old
credit Own: 10.00 from 2026-01-01 to 2027-01-01, priority 0, of new
usage calls: 60 on 2026-02-10
> finalize at 2026-01-02
| SCHEDULED old  2025-01-01  USD
|   Bought                                                                   1 × 8.00           8.00
|   total                                                                                       8.00
|
| USAGE old  2025-01-01 → 2026-01-01  USD
|   Calls [01-01 → 12-31]                                                    0 × 1.00           0.00
|   Calls [12-31 → 01-01]                                                    0 × 1.00           0.00
|   total                                                                                       0.00
|
| SCHEDULED old  2026-01-01  USD
|   Promise true-up                                                         1 × 30.00          30.00
|   total                                                                                      30.00
> balances at 2026-03-01
| Given                                 0.00 USD   (0.00 without drafts)
| Bought                                0.00 USD   (0.00 without drafts)
| Some                                  0.00 USD   (0.00 without drafts)
| Nothing                               0.00 USD   (0.00 without drafts)
| Gone                                  0.00 USD   (0.00 without drafts)
| Promise                               0.00 USD   (0.00 without drafts)
| Own                                   0.00 USD   (10.00 without drafts)
| Given in new                          0.00 USD   (10.00 without drafts)
| Bought in new                         0.00 USD   (10.00 without drafts)
| Some in new                           0.00 USD   (2.50 without drafts)
| Promise in new                        0.00 USD   (20.00 without drafts)
> drafts at 2026-03-01
| USAGE new  2026-01-01 → 2027-01-01  USD
|   Calls                                                                   20 × 1.00          20.00  ← Promise in new
|   Promise applied                                                                           −20.00
|   Calls                                                                   10 × 1.00          10.00  ← Bought in new
|   Bought applied                                                                            −10.00
|   Calls                                                                   10 × 1.00          10.00  ← Given in new
|   Given applied                                                                             −10.00
|   Calls                                                                  2.5 × 1.00           2.50  ← Some in new
|   Some applied                                                                               −2.50
|   Calls                                                                   10 × 1.00          10.00  ← Own #1
|   Own applied                                                                               −10.00
|   Calls                                                                  7.5 × 1.00           7.50
|   total                                                                                      27.50
|
| SCHEDULED new  2027-01-01  USD
|   Promise true-up                                                          1 × 0.00           0.00
|   total                                                                                       0.00
> ledger Promise at 2026-03-01
| 2025-01-01  POSTPAID_COMMIT_INITIAL_BALANCE                    50.00
| 2026-01-01  POSTPAID_COMMIT_ROLLOVER                          −20.00
| 2026-01-01  POSTPAID_COMMIT_TRUEUP                            −30.00
> ledger Some at 2026-03-01
| 2025-01-01  CREDIT_SEGMENT_START                               10.00
| 2026-01-01  CREDIT_ROLLOVER                                    −2.50
| 2026-01-01  CREDIT_EXPIRATION                                  −7.50
