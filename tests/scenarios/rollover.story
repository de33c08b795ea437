# A commit of 100,000 rolls over by half. 90,000 are used, so all of the 10,000 that are left roll over, and they are used
# before the 200,000 of the new contract, whatever their priority (§8, example 13). It is known before the old year is final.
metric tokens: SUM
product Tokens: metric tokens
rate Tokens: 1.00
contract old: 2025-01-01, annual
prepaid First commit: 100,000.00 from 2025-01-01 to 2026-07-01, invoiced 90,000.00 on 2025-01-01, rolls over 50%, of old
usage tokens: 90,000 on 2025-12-10
> finalize at 2025-12-20
| SCHEDULED old  2025-01-01  USD
|   First commit                                                        1 × 90,000.00      90,000.00
|   total                                                                                  90,000.00
contract new: 2026-01-01 to 2027-01-01, renews old
prepaid Second commit: 200,000.00 from 2026-01-01 to 2027-01-01, priority 0, of new
usage tokens: 12,000 on 2026-01-01
> drafts at 2026-01-01T12
| USAGE old  2025-01-01 → 2026-01-01  USD
|   Tokens                                                              90,000 × 1.00      90,000.00  ← First commit #1
|   First commit applied                                                                  −90,000.00
|   total                                                                                       0.00
|
| USAGE new  2026-01-01 → 2026-02-01  USD
|   Tokens                                                              10,000 × 1.00      10,000.00  ← First commit in new
|   First commit applied                                                                  −10,000.00
|   Tokens                                                               2,000 × 1.00       2,000.00  ← Second commit #1
|   Second commit applied                                                                  −2,000.00
|   total                                                                                       0.00
> ledger First commit at 2026-01-01T12
| 2025-01-01  PREPAID_COMMIT_SEGMENT_START                  100,000.00
| 2026-01-01  PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION    −90,000.00  (pending)
| 2026-01-01  PREPAID_COMMIT_ROLLOVER                       −10,000.00  (pending)
> ledger First commit in new at 2026-01-01T12
| 2026-01-01  PREPAID_COMMIT_SEGMENT_START                   10,000.00
| 2026-02-01  PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION    −10,000.00  (pending)
> finalize at 2026-01-02
| USAGE old  2025-01-01 → 2026-01-01  USD
|   Tokens                                                              90,000 × 1.00      90,000.00  ← First commit #1
|   First commit applied                                                                  −90,000.00
|   total                                                                                       0.00
> ledger First commit at 2026-01-02
| 2025-01-01  PREPAID_COMMIT_SEGMENT_START                  100,000.00
| 2026-01-01  PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION    −90,000.00
| 2026-01-01  PREPAID_COMMIT_ROLLOVER                       −10,000.00
> finalize at 2026-02-02
| USAGE new  2026-01-01 → 2026-02-01  USD
|   Tokens                                                              10,000 × 1.00      10,000.00  ← First commit in new
|   First commit applied                                                                  −10,000.00
|   Tokens                                                               2,000 × 1.00       2,000.00  ← Second commit #1
|   Second commit applied                                                                  −2,000.00
|   total                                                                                       0.00
> ledger First commit in new at 2026-02-02
| 2026-01-01  PREPAID_COMMIT_SEGMENT_START                   10,000.00
| 2026-02-01  PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION    −10,000.00
> balances at 2026-02-02
| First commit                          0.00 USD   (0.00 without drafts)
| Second commit                   198,000.00 USD   (198,000.00 without drafts)
| First commit in new                   0.00 USD   (0.00 without drafts)
