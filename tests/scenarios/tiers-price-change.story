# Tiers across a price change: 8 calls before the 15th, 7 after it. The new price list goes on where the old one
# stopped: 2 calls are left in the second tier at its new price, 5 fall into the third.

metric calls: SUM
product Calls: metric calls
rate Calls: 5 at 0.00, 5 at 1.00, rest at 1.50
rate Calls: 5 at 0.50, 5 at 2.00, rest at 3.00, from 2026-01-15
contract main: 2026-01-01
usage calls: 8 on 2026-01-10
usage calls: 7 on 2026-01-20

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls tier 1 [01-01 → 01-15]                                             5 × 0.00           0.00
|   Calls tier 2 [01-01 → 01-15]                                             3 × 1.00           3.00
|   Calls tier 2 [01-15 → 02-01]                                             2 × 2.00           4.00
|   Calls tier 3 [01-15 → 02-01]                                             5 × 3.00          15.00
|   total                                                                                      22.00

# A correction of −9 goes back through the tiers, at the prices that hold when it comes.
usage calls: −9 on 2026-01-25
> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls tier 1 [01-01 → 01-15]                                             5 × 0.00           0.00
|   Calls tier 2 [01-01 → 01-15]                                             3 × 1.00           3.00
|   Calls tier 2 [01-15 → 02-01]                                            −2 × 2.00          −4.00
|   total                                                                                      −1.00
