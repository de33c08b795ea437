# Two months that drew on one credit are voided and regenerated in the other order: whoever is first draws first.
# Whatever the order, the ledger sums to what was left, and an invoice that was regenerated can be voided in turn.

metric calls: SUM
product Calls: metric calls
rate Calls: 1.00
contract main: 2026-01-01
credit Shared: 100.00 from 2026-01-01 to 2026-03-01
usage calls: 80 on 2026-01-10
usage calls: 50 on 2026-02-10

> finalize at 2026-03-02
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls                                                                   80 × 1.00          80.00  ← Shared #1
|   Shared applied                                                                            −80.00
|   total                                                                                       0.00
|
| USAGE main  2026-02-01 → 2026-03-01  USD
|   Calls                                                                   20 × 1.00          20.00  ← Shared #1
|   Shared applied                                                                            −20.00
|   Calls                                                                   30 × 1.00          30.00
|   total                                                                                      30.00
> balances at 2026-02-15
| Shared                                0.00 USD   (0.00 without drafts)
> void USAGE main 2026-01-01
| USAGE main  2026-01-01 → 2026-02-01  USD  is void
|   back to Shared #1                                                                          80.00
> void USAGE main 2026-02-01
| USAGE main  2026-02-01 → 2026-03-01  USD  is void
|   back to Shared #1                                                                          20.00
> balances at 2026-02-15
| Shared                              100.00 USD   (100.00 without drafts)
> drafts at 2026-02-15
| nothing
> regenerate USAGE main 2026-02-01 at 2026-03-05
| USAGE main  2026-02-01 → 2026-03-01  USD
|   Calls                                                                   50 × 1.00          50.00  ← Shared #1
|   Shared applied                                                                            −50.00
|   total                                                                                       0.00
> regenerate USAGE main 2026-01-01 at 2026-03-05
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls                                                                   50 × 1.00          50.00  ← Shared #1
|   Shared applied                                                                            −50.00
|   Calls                                                                   30 × 1.00          30.00
|   total                                                                                      30.00
> ledger Shared at 2026-03-05
| 2026-01-01  CREDIT_SEGMENT_START                              100.00
| 2026-02-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −80.00
| 2026-02-01  CREDIT_CREDITED                                    80.00
| 2026-02-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −50.00
| 2026-03-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −20.00
| 2026-03-01  CREDIT_CREDITED                                    20.00
| 2026-03-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −50.00

# January once more: the one that was regenerated is void now, and another takes its place.
> void USAGE main 2026-01-01
| USAGE main  2026-01-01 → 2026-02-01  USD  is void
|   back to Shared #1                                                                          50.00
> ledger Shared at 2026-03-05
| 2026-01-01  CREDIT_SEGMENT_START                              100.00
| 2026-02-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −80.00
| 2026-02-01  CREDIT_CREDITED                                    80.00
| 2026-02-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −50.00
| 2026-02-01  CREDIT_CREDITED                                    50.00
| 2026-03-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −20.00
| 2026-03-01  CREDIT_CREDITED                                    20.00
| 2026-03-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −50.00
| 2026-03-01  CREDIT_EXPIRATION                                 −50.00
> regenerate USAGE main 2026-01-01 at 2026-03-06
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls                                                                   50 × 1.00          50.00  ← Shared #1
|   Shared applied                                                                            −50.00
|   Calls                                                                   30 × 1.00          30.00
|   total                                                                                      30.00
> ledger Shared at 2026-03-06
| 2026-01-01  CREDIT_SEGMENT_START                              100.00
| 2026-02-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −80.00
| 2026-02-01  CREDIT_CREDITED                                    80.00
| 2026-02-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −50.00
| 2026-02-01  CREDIT_CREDITED                                    50.00
| 2026-02-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −50.00
| 2026-03-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −20.00
| 2026-03-01  CREDIT_CREDITED                                    20.00
| 2026-03-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −50.00
