# The parent ended on the 15th and is renewed in February; Hulu's January goes on until then. What rolls over waits for it: on
# 1 February it would be 60, and it is settled with Hulu's statement. Hulu's own contract is over, so only the parent uses it.
metric calls: SUM
product Calls: metric calls
rate Calls: 1.00
relative Hulu
contract main: 2026-01-01 to 2026-01-15, created 2025-12-01
contract hulu: 2026-01-01 to 2026-02-01, created 2025-12-02, for Hulu, under main
prepaid Pool: 100.00 from 2026-01-01 to 2027-01-01, of main, shared with all children, rolls over 100%
contract new: 2026-02-01 to 2027-01-01, created 2026-01-10, renews main
usage calls: 40 on 2026-01-20, as Hulu
> finalize at 2026-02-01T12
| USAGE main  2026-01-01 → 2026-01-15  USD
|   Calls                                                                    0 × 1.00           0.00
|   total                                                                                       0.00
> balances at 2026-02-01T12
| Pool                                  0.00 USD   (100.00 without drafts)
| Pool in new                          60.00 USD   (60.00 without drafts)
> ledger Pool at 2026-02-01T12
| 2026-01-01  PREPAID_COMMIT_SEGMENT_START                      100.00
| 2026-02-01  PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION        −40.00  (pending)
| 2026-02-01  PREPAID_COMMIT_ROLLOVER                           −60.00  (pending)
> finalize at 2026-02-02
| USAGE hulu  2026-01-01 → 2026-02-01  USD
|   Calls                                                                   40 × 1.00          40.00  ← Pool #1
|   Pool applied                                                                              −40.00
|   total                                                                                       0.00
> ledger Pool at 2026-02-02
| 2026-01-01  PREPAID_COMMIT_SEGMENT_START                      100.00
| 2026-02-01  PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION        −40.00
| 2026-02-01  PREPAID_COMMIT_ROLLOVER                           −60.00
> balances at 2026-02-02
| Pool                                  0.00 USD   (0.00 without drafts)
| Pool in new                          60.00 USD   (60.00 without drafts)
