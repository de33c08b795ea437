# A correction takes usage back with a negative event. It is set off against the same product's last charges before any
# balance pays, so a credit never turns into a refund, and never pays for what was taken back.

metric calls: SUM
product Calls: metric calls
rate Calls: 1.00
rate Calls: 2.00, from 2026-01-15
contract main: 2026-01-01
credit Welcome: 30.00 from 2026-01-01 to 2027-01-01
usage calls: 50 on 2026-01-10
usage calls: −10 on 2026-01-20

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls [01-01 → 01-15]                                                   30 × 1.00          30.00  ← Welcome #1
|   Welcome applied [01-01 → 01-15]                                                           −30.00
|   Calls [01-01 → 01-15]                                                   20 × 1.00          20.00
|   Calls [01-15 → 02-01]                                                  −10 × 2.00         −20.00
|   total                                                                                       0.00
> balances at 2026-01-31
| Welcome                               0.00 USD   (30.00 without drafts)

# More taken back than used: the customer gets money, and the balance stays whole.
usage calls: −30 on 2026-01-21
> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls [01-01 → 01-15]                                                   50 × 1.00          50.00
|   Calls [01-15 → 02-01]                                                  −40 × 2.00         −80.00
|   total                                                                                     −30.00
> balances at 2026-01-31
| Welcome                              30.00 USD   (30.00 without drafts)
