# Three contracts in three currencies. A balance pays only for usage in its own currency. Winkel keeps dollars in cents
# and every other currency in whole units; here all are printed in whole units.

metric calls: SUM
card european: EUR
card british: GBP
product Calls: metric calls
rate Calls: 0.012
rate Calls: 0.011, on european
rate Calls: 0.009, on british
contract dollars: 2026-01-01
contract euros: 2026-01-01, on european
contract pounds: 2026-01-01, on british
credit Euro credit: 5.00 from 2026-01-01 to 2027-01-01, EUR
prepaid Dollar commit: 10.00 from 2026-01-01 to 2027-01-01, invoiced 10.00 on 2026-01-01, billed to dollars
prepaid Pound commit: 1.00 from 2026-01-01 to 2027-01-01, GBP, invoiced 0.90 on 2026-01-01, billed to pounds
usage calls: 1,000 on 2026-01-10

> drafts at 2026-01-31
| SCHEDULED dollars  2026-01-01  USD
|   Dollar commit                                                           1 × 10.00          10.00
|   total                                                                                      10.00
|
| SCHEDULED pounds  2026-01-01  GBP
|   Pound commit                                                             1 × 0.90           0.90
|   total                                                                                       0.90
|
| USAGE dollars  2026-01-01 → 2026-02-01  USD
|   Calls                                                833.33333333333333333333 × 0.012          10.00  ← Dollar commit #1
|   Dollar commit applied                                                                     −10.00
|   Calls                                                166.66666666666666666667 × 0.012           2.00
|   total                                                                                       2.00
|
| USAGE euros  2026-01-01 → 2026-02-01  EUR
|   Calls                                                454.54545454545454545455 × 0.011           5.00  ← Euro credit #1
|   Euro credit applied                                                                        −5.00
|   Calls                                                545.45454545454545454545 × 0.011           6.00
|   total                                                                                       6.00
|
| USAGE pounds  2026-01-01 → 2026-02-01  GBP
|   Calls                                                111.11111111111111111111 × 0.009           1.00  ← Pound commit #1
|   Pound commit applied                                                                       −1.00
|   Calls                                                888.88888888888888888889 × 0.009           8.00
|   total                                                                                       8.00
