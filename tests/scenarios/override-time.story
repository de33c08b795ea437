# A discount of 20 % from the 10th to the 20th: a line of its own, and the list price stays on every line. Tiers go on
# counting across it: 2 calls are left in the first tier when the discount begins.

metric calls: SUM
product Calls: metric calls
rate Calls: 10 at 1.00, rest at 0.50
contract main: 2026-01-01
override main: times 0.8, from 2026-01-10, until 2026-01-20
usage calls: 8 on 2026-01-05
usage calls: 8 on 2026-01-15
usage calls: 8 on 2026-01-25

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls tier 1 [01-01 → 01-10]                                             8 × 1.00           8.00
|   Calls tier 1 [01-10 → 01-20]                                             2 × 0.80           1.60
|   Calls tier 2 [01-10 → 01-20]                                             6 × 0.40           2.40
|   Calls tier 2 [01-20 → 02-01]                                             8 × 0.50           4.00
|   total                                                                                      16.00
