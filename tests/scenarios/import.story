# December was sold elsewhere: 3 started thousands in two teams, and a price that fell on the 20th. The conversion is done, so
# 3 are 3, and the usage that was metered then is left aside. The credit pays for what is dearest first. Made anew it is the same.
metric tokens: SUM, key team region
metric calls: SUM, key region
product Tokens: metric tokens, shown by team, divided by 1,000, rounded up to 0 places
product Calls: metric calls
rate Tokens: 3.00
rate Tokens: 2.00, from 2025-12-20
rate Calls: 10 at 0.00, rest at 1.00
contract main: 2025-12-01
filter main: region eu
credit Welcome: 7.00 from 2025-12-01 to 2027-01-01
usage tokens: 500 on 2026-01-03, team=red region=eu
usage calls: 40 on 2025-12-05, region=eu
> drafts at 2026-01-05
| USAGE main  2025-12-01 → 2026-01-01  USD
|   Calls tier 1                                                            10 × 0.00           0.00
|   Calls tier 2                                                             7 × 1.00           7.00  ← Welcome #1
|   Welcome applied                                                                            −7.00
|   Calls tier 2                                                            23 × 1.00          23.00
|   total                                                                                      23.00
|
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Tokens team=red                                                          1 × 2.00           2.00
|   Calls tier 1                                                             0 × 0.00           0.00
|   total                                                                                       2.00
> import main 2025-12-01 Tokens 2 on 2025-12-10 team=red, Tokens 1 on 2025-12-24 team=blue, Calls 12 on 2025-12-24 at 2026-01-05
| USAGE main  2025-12-01 → 2026-01-01  USD
|   Tokens team=blue [12-20 → 01-01]                                         1 × 2.00           2.00
|   Tokens team=red [12-01 → 12-20]                                          2 × 3.00           6.00  ← Welcome #1
|   Welcome applied [12-01 → 12-20]                                                            −6.00
|   Calls tier 1                                                            10 × 0.00           0.00
|   Calls tier 2                                                             1 × 1.00           1.00  ← Welcome #1
|   Welcome applied                                                                            −1.00
|   Calls tier 2                                                             1 × 1.00           1.00
|   total                                                                                       3.00
> drafts at 2026-01-05
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Tokens team=red                                                          1 × 2.00           2.00
|   Calls tier 1                                                             0 × 0.00           0.00
|   total                                                                                       2.00
> by day from 2025-12-01 to 2026-01-01 at 2026-01-05
| USAGE main  2025-12-10 → 2025-12-11  USD
|   Tokens team=red                                                          2 × 3.00           6.00  ← Welcome #1
|   Welcome applied                                                                            −6.00
|   Calls tier 2                                                             0 × 1.00           0.00
|   total                                                                                       0.00
|
| USAGE main  2025-12-24 → 2025-12-25  USD
|   Tokens team=blue                                                         1 × 2.00           2.00
|   Calls tier 1                                                            10 × 0.00           0.00
|   Calls tier 2                                                             1 × 1.00           1.00  ← Welcome #1
|   Welcome applied                                                                            −1.00
|   Calls tier 2                                                             1 × 1.00           1.00
|   total                                                                                       3.00
> ledger Welcome at 2026-01-05
| 2025-12-01  CREDIT_SEGMENT_START                                7.00
| 2026-01-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                 −7.00
> void USAGE main 2025-12-01
| USAGE main  2025-12-01 → 2026-01-01  USD  is void
|   back to Welcome #1                                                                          7.00
> regenerate USAGE main 2025-12-01 at 2026-01-06
| USAGE main  2025-12-01 → 2026-01-01  USD
|   Tokens team=blue [12-20 → 01-01]                                         1 × 2.00           2.00
|   Tokens team=red [12-01 → 12-20]                                          2 × 3.00           6.00  ← Welcome #1
|   Welcome applied [12-01 → 12-20]                                                            −6.00
|   Calls tier 1                                                            10 × 0.00           0.00
|   Calls tier 2                                                             1 × 1.00           1.00  ← Welcome #1
|   Welcome applied                                                                            −1.00
|   Calls tier 2                                                             1 × 1.00           1.00
|   total                                                                                       3.00
