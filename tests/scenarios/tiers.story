# Tiers: the first 5 are free, the next 5 cost 1.00, the rest 1.50. 12 uses cost 5×0 + 5×1 + 2×1.5 = 8.
# (metronome-api.md §8, example 6)

metric calls: COUNT
product Calls: metric calls
rate Calls: 5 at 0.00, 5 at 1.00, rest at 1.50
contract main: 2026-01-01

# Before the first use: nothing used, and what the next call would cost.
> drafts at 2026-01-01
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls tier 1                                                             0 × 0.00           0.00
|   total                                                                                       0.00

# A tier's upper bound belongs to it: 5 calls are all free, 10 end the second tier.
usage calls: 5 on 2026-01-02
> drafts at 2026-01-03
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls tier 1                                                             5 × 0.00           0.00
|   total                                                                                       0.00
usage calls: 5 on 2026-01-04
> drafts at 2026-01-05
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls tier 1                                                             5 × 0.00           0.00
|   Calls tier 2                                                             5 × 1.00           5.00
|   total                                                                                       5.00
usage calls: 2 on 2026-01-06
> drafts at 2026-01-07
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls tier 1                                                             5 × 0.00           0.00
|   Calls tier 2                                                             5 × 1.00           5.00
|   Calls tier 3                                                             2 × 1.50           3.00
|   total                                                                                       8.00

# The next billing period counts from zero again.
usage calls: 6 on 2026-02-03
> finalize at 2026-02-02
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls tier 1                                                             5 × 0.00           0.00
|   Calls tier 2                                                             5 × 1.00           5.00
|   Calls tier 3                                                             2 × 1.50           3.00
|   total                                                                                       8.00
> drafts at 2026-02-04
| USAGE main  2026-02-01 → 2026-03-01  USD
|   Calls tier 1                                                             5 × 0.00           0.00
|   Calls tier 2                                                             1 × 1.00           1.00
|   total                                                                                       1.00
