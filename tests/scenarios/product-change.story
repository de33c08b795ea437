# A product changes on the 15th: another name, another metric, and it is now sold by the dozen. Each line shows what held
# at its time; the tiers go on counting in sold units.

metric calls: SUM
metric jobs: SUM
product Calls: metric calls
change Calls: from 2026-01-15, named Jobs (dozens), metric jobs, divided by 12
rate Calls: 10 at 1.00, rest at 0.50
contract main: 2026-01-01
usage calls: 8 on 2026-01-10
usage calls: 1,000 on 2026-01-20
usage jobs: 1,000 on 2026-01-10
usage jobs: 60 on 2026-01-20

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls tier 1 [01-01 → 01-15]                                             8 × 1.00           8.00
|   Jobs (dozens) tier 1 [01-15 → 02-01]                                     2 × 1.00           2.00
|   Jobs (dozens) tier 2 [01-15 → 02-01]                                     3 × 0.50           1.50
|   total                                                                                      11.50
