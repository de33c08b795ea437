# An invoice that is regenerated is priced with today's terms: another price, a contract that ended, a credit that came.

metric calls: SUM
product Calls: metric calls
rate Calls: 1.00
contract main: 2026-01-01
usage calls: 1 daily 2026-01-01 to 2026-02-01

> finalize at 2026-02-02
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls                                                                   31 × 1.00          31.00
|   total                                                                                      31.00
> void USAGE main 2026-01-01
| USAGE main  2026-01-01 → 2026-02-01  USD  is void
rate Calls: 0.50, from 2026-01-11
contract main: 2026-01-01 to 2026-01-21
credit Sorry: 3.00 from 2026-01-01 to 2026-03-01
> regenerate USAGE main 2026-01-01 at 2026-02-05
| USAGE main  2026-01-01 → 2026-01-21  USD
|   Calls [01-01 → 01-11]                                                    3 × 1.00           3.00  ← Sorry #1
|   Sorry applied [01-01 → 01-11]                                                              −3.00
|   Calls [01-01 → 01-11]                                                    7 × 1.00           7.00
|   Calls [01-11 → 01-21]                                                   10 × 0.50           5.00
|   total                                                                                      12.00
> drafts at 2026-02-05
| nothing
> ledger Sorry at 2026-02-05
| 2026-01-01  CREDIT_SEGMENT_START                                3.00
| 2026-01-21  CREDIT_AUTOMATED_INVOICE_DEDUCTION                 −3.00
