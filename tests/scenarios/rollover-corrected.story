# The old contract's December is made anew three times after 40 of 100 had rolled over: what the new contract has not used yet
# goes back first, and rolls over once more after that. 10 are used there for good: only 30 can go back.
metric calls: SUM
product Calls: metric calls
rate Calls: 1.00
contract old: 2025-12-01
credit Free: 100.00 from 2025-12-01 to 2027-01-01, rolls over 100%, of old
usage calls: 60 on 2025-12-10
contract new: 2026-01-01 to 2027-01-01, renews old
usage calls: 10 on 2026-01-10
> finalize at 2026-02-02
| USAGE old  2025-12-01 → 2026-01-01  USD
|   Calls                                                                   60 × 1.00          60.00  ← Free #1
|   Free applied                                                                              −60.00
|   total                                                                                       0.00
|
| USAGE new  2026-01-01 → 2026-02-01  USD
|   Calls                                                                   10 × 1.00          10.00  ← Free in new
|   Free applied                                                                              −10.00
|   total                                                                                       0.00
> balances at 2026-02-02
| Free                                  0.00 USD   (0.00 without drafts)
| Free in new                          30.00 USD   (30.00 without drafts)
# Nothing of December was to be asked for: the 60 roll over too.
> void USAGE old 2025-12-01
| USAGE old  2025-12-01 → 2026-01-01  USD  is void
|   back to Free #1                                                                            60.00
> balances at 2026-02-02
| Free                                  0.00 USD   (0.00 without drafts)
| Free in new                          90.00 USD   (90.00 without drafts)
# 20 more calls come late: 80 of them are paid as they would have been in time.
usage calls: 20 on 2025-12-20
> regenerate USAGE old 2025-12-01 at 2026-02-03
| USAGE old  2025-12-01 → 2026-01-01  USD
|   Calls                                                                   80 × 1.00          80.00  ← Free #1
|   Free applied                                                                              −80.00
|   total                                                                                       0.00
> balances at 2026-02-03
| Free                                  0.00 USD   (0.00 without drafts)
| Free in new                          10.00 USD   (10.00 without drafts)
# Another 20: 90 are there to pay for 100.
usage calls: 20 on 2025-12-21
> void USAGE old 2025-12-01
| USAGE old  2025-12-01 → 2026-01-01  USD  is void
|   back to Free #1                                                                            80.00
> regenerate USAGE old 2025-12-01 at 2026-02-04
| USAGE old  2025-12-01 → 2026-01-01  USD
|   Calls                                                                   90 × 1.00          90.00  ← Free #1
|   Free applied                                                                              −90.00
|   Calls                                                                   10 × 1.00          10.00
|   total                                                                                      10.00
> ledger Free at 2026-02-04
| 2025-12-01  CREDIT_SEGMENT_START                              100.00
| 2026-01-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −80.00
| 2026-01-01  CREDIT_CREDITED                                    80.00
| 2026-01-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −60.00
| 2026-01-01  CREDIT_CREDITED                                    60.00
| 2026-01-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −90.00
| 2026-01-01  CREDIT_ROLLOVER                                    90.00
| 2026-01-01  CREDIT_ROLLOVER                                    80.00
| 2026-01-01  CREDIT_ROLLOVER                                   −80.00
| 2026-01-01  CREDIT_ROLLOVER                                   −60.00
| 2026-01-01  CREDIT_ROLLOVER                                   −40.00
> ledger Free in new at 2026-02-04
| 2026-01-01  CREDIT_SEGMENT_START                               10.00
| 2026-02-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −10.00
# Half of the calls had to be taken back: what is left rolls over again.
usage calls: −50 on 2025-12-22
> void USAGE old 2025-12-01
| USAGE old  2025-12-01 → 2026-01-01  USD  is void
|   back to Free #1                                                                            90.00
> regenerate USAGE old 2025-12-01 at 2026-02-05
| USAGE old  2025-12-01 → 2026-01-01  USD
|   Calls                                                                   50 × 1.00          50.00  ← Free #1
|   Free applied                                                                              −50.00
|   total                                                                                       0.00
> balances at 2026-02-05
| Free                                  0.00 USD   (0.00 without drafts)
| Free in new                          40.00 USD   (40.00 without drafts)
