# A credit each month from 31 January: on the last day of shorter months, back to the 31st after them, 29 February in 2028.

metric calls: SUM
product Calls: metric calls
rate Calls: 1.00
contract main: 2028-01-31 to 2028-05-15, anchor 2028-01-31
recurring credit Free: 62.00 each month from 2028-01-31, of main
usage calls: 1 daily 2028-01-31 to 2028-05-15
> balances at 2028-01-31
| Free 2028-01-31                      33.00 USD   (62.00 without drafts)
| Free 2028-02-29                       0.00 USD   (0.00 without drafts)
> balances at 2028-03-01
| Free 2028-01-31                       0.00 USD   (0.00 without drafts)
| Free 2028-02-29                      31.00 USD   (62.00 without drafts)
| Free 2028-03-31                       0.00 USD   (0.00 without drafts)
> balances at 2028-05-10
| Free 2028-01-31                       0.00 USD   (0.00 without drafts)
| Free 2028-02-29                       0.00 USD   (0.00 without drafts)
| Free 2028-03-31                       0.00 USD   (0.00 without drafts)
| Free 2028-04-30                      15.00 USD   (30.00 without drafts)
> drafts at 2028-05-10
| USAGE main  2028-01-31 → 2028-02-29  USD
|   Calls                                                                   29 × 1.00          29.00  ← Free 2028-01-31
|   Free applied                                                                              −29.00
|   total                                                                                       0.00
|
| USAGE main  2028-02-29 → 2028-03-31  USD
|   Calls                                                                   31 × 1.00          31.00  ← Free 2028-02-29
|   Free applied                                                                              −31.00
|   total                                                                                       0.00
|
| USAGE main  2028-03-31 → 2028-04-30  USD
|   Calls                                                                   30 × 1.00          30.00  ← Free 2028-03-31
|   Free applied                                                                              −30.00
|   total                                                                                       0.00
|
| USAGE main  2028-04-30 → 2028-05-15  USD
|   Calls                                                                   15 × 1.00          15.00  ← Free 2028-04-30
|   Free applied                                                                              −15.00
|   total                                                                                       0.00
> ledger Free 2028-02-29 at 2028-05-10
| 2028-02-29  CREDIT_SEGMENT_START                               62.00
| 2028-03-31  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −31.00  (pending)
| 2028-03-31  CREDIT_EXPIRATION                                 −31.00
