# From the 15th on a product counts another metric, whose group key names the same properties the other way round. The
# groups are the same, so their tiers go on counting: 3 of the 5 free calls are used when the metric changes.

metric calls: SUM, key model region
metric jobs: SUM, key region model
product Calls: metric calls, priced by model, shown by region
change Calls: from 2026-01-15, metric jobs
rate Calls: 5 at 0.00, rest at 1.00, for model=a
contract main: 2026-01-01
usage calls: 3 on 2026-01-10, model=a region=eu
usage jobs: 7 on 2026-01-20, model=a region=eu

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls model=a region=eu tier 1 [01-01 → 01-15]                           3 × 0.00           0.00
|   Calls model=a region=eu tier 1 [01-15 → 02-01]                           2 × 0.00           0.00
|   Calls model=a region=eu tier 2 [01-15 → 02-01]                           5 × 1.00           5.00
|   total                                                                                       5.00
