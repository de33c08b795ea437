# Prices by model and region. There is no rate for large in us, and one event has no region: neither is billed.

metric tokens: SUM, key model region team
product Tokens: metric tokens, priced by model region, shown by team
rate Tokens: 0.01, for model=small region=eu
rate Tokens: 0.02, for model=small region=us
rate Tokens: 0.10, for model=large region=eu
rate Tokens: 0.09, for model=large region=eu, from 2026-01-15
rate Tokens: 9.99, for model=huge region=eu, not entitled
contract main: 2026-01-01

> drafts at 2026-01-02
| USAGE main  2026-01-01 → 2026-02-01  USD
|   total                                                                                       0.00

usage tokens: 1,000 on 2026-01-10, model=small region=eu team=red
usage tokens: 500 on 2026-01-10, model=small region=us team=red
usage tokens: 300 on 2026-01-10, model=large region=eu team=blue
usage tokens: 300 on 2026-01-20, model=large region=eu team=blue
usage tokens: 7 on 2026-01-20, model=large region=eu
usage tokens: 800 on 2026-01-10, model=large region=us team=blue
usage tokens: 5 on 2026-01-10, model=small team=blue
usage tokens: 5 on 2026-01-10, model=huge region=eu team=blue

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Tokens model=large region=eu team=(none) [01-15 → 02-01]                     7 × 0.09           0.63
|   Tokens model=large region=eu team=blue [01-01 → 01-15]                   300 × 0.10          30.00
|   Tokens model=large region=eu team=blue [01-15 → 02-01]                   300 × 0.09          27.00
|   Tokens model=small region=eu team=red                                1,000 × 0.01          10.00
|   Tokens model=small region=us team=red                                  500 × 0.02          10.00
|   total                                                                                      77.63

# Tiers are counted for each combination and each presentation group.
metric jobs: SUM, key size team, key size
product Jobs: metric jobs, priced by size, shown by team
product Jobs by size: metric jobs, priced by size
card jobs: USD
rate Jobs: 10 at 1.00, rest at 0.50, for size=xl, on jobs
rate Jobs by size: 10 at 1.00, rest at 0.50, for size=xl, on jobs
contract jobs: 2026-02-01, on jobs, anchor 2026-02-01
usage jobs: 12 on 2026-02-03, size=xl team=red
usage jobs: 8 on 2026-02-03, size=xl team=blue
usage jobs: 1 on 2026-02-03, size=xs team=blue
> finalize at 2026-02-02
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Tokens model=large region=eu team=(none) [01-15 → 02-01]                     7 × 0.09           0.63
|   Tokens model=large region=eu team=blue [01-01 → 01-15]                   300 × 0.10          30.00
|   Tokens model=large region=eu team=blue [01-15 → 02-01]                   300 × 0.09          27.00
|   Tokens model=small region=eu team=red                                1,000 × 0.01          10.00
|   Tokens model=small region=us team=red                                  500 × 0.02          10.00
|   total                                                                                      77.63
> needs at 2026-02-04
| jobs 2026-02-01 +672 h
| jobs/1 2026-02-01 +672 h
| tokens 2026-02-01 +672 h
> drafts at 2026-02-04
| USAGE main  2026-02-01 → 2026-03-01  USD
|   total                                                                                       0.00
|
| USAGE jobs  2026-02-01 → 2026-03-01  USD
|   Jobs size=xl team=blue tier 1                                            8 × 1.00           8.00
|   Jobs size=xl team=red tier 1                                            10 × 1.00          10.00
|   Jobs size=xl team=red tier 2                                             2 × 0.50           1.00
|   Jobs by size size=xl tier 1                                             10 × 1.00          10.00
|   Jobs by size size=xl tier 2                                             10 × 0.50           5.00
|   total                                                                                      34.00
