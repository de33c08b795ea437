# Multipliers by quantity: the first 10 calls at 90 %, then half price. The list price has tiers of its own, from the
# 5th call on: the tiers of both are cut into one another. The lowest priority number counts.

metric calls: SUM
product Calls: metric calls
rate Calls: 5 at 2.00, rest at 1.00
contract main: 2026-01-01, explicit priorities
override main: times 0.1, priority 2
override main: tier 10 times 0.9, tier rest times 0.5, priority 1
usage calls: 12 on 2026-01-10

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls tier 1                                                             5 × 1.80           9.00
|   Calls tier 2                                                             5 × 0.90           4.50
|   Calls tier 3                                                             2 × 0.50           1.00
|   total                                                                                      14.50
