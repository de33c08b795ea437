# The ledger of a credit: +100 on 9/1, −63 on 10/1, −37 expire on 10/1 (metronome-api.md §8, example 9).
# The deduction of a draft is dated at the end of its service period, so it lies in the future.

metric calls: SUM
product Calls: metric calls
rate Calls: 1.00
contract main: 2025-09-01
credit Welcome: 100.00 from 2025-09-01 to 2025-10-01
usage calls: 63 on 2025-09-20

> ledger Welcome at 2025-08-31
| nothing
> ledger Welcome at 2025-09-21
| 2025-09-01  CREDIT_SEGMENT_START                              100.00
| 2025-10-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −63.00  (pending)
> balances at 2025-09-21
| Welcome                              37.00 USD   (100.00 without drafts)
> balances at 2025-10-01
| Welcome                               0.00 USD   (0.00 without drafts)
> finalize at 2025-10-01
| nothing
> finalize at 2025-10-02
| USAGE main  2025-09-01 → 2025-10-01  USD
|   Calls                                                                   63 × 1.00          63.00  ← Welcome #1
|   Welcome applied                                                                           −63.00
|   total                                                                                       0.00
> ledger Welcome at 2025-10-02
| 2025-09-01  CREDIT_SEGMENT_START                              100.00
| 2025-10-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −63.00
| 2025-10-01  CREDIT_EXPIRATION                                 −37.00
