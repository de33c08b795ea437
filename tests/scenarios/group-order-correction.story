# The properties on which a price depends are named the other way round from the 15th on. A correction after that takes
# back what the same group was charged before, so the credit pays for the 6 calls that remain.

metric calls: SUM, key model region
product Calls: metric calls, priced by model region
change Calls: from 2026-01-15, priced by region model
rate Calls: 1.00, for model=a region=eu
contract main: 2026-01-01
credit Welcome: 30.00 from 2026-01-01 to 2027-01-01
usage calls: 10 on 2026-01-10, model=a region=eu
usage calls: −4 on 2026-01-20, model=a region=eu

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls model=a region=eu [01-01 → 01-15]                                  6 × 1.00           6.00  ← Welcome #1
|   Welcome applied [01-01 → 01-15]                                                            −6.00
|   Calls model=a region=eu [01-01 → 01-15]                                  4 × 1.00           4.00
|   Calls region=eu model=a [01-15 → 02-01]                                 −4 × 1.00          −4.00
|   total                                                                                       0.00
