# Storage is sold in started thousands; for ten days it is not rounded. Counting goes on from the unit that was reached,
# under the new rule, whether or not anything is used while it holds: so both teams start a second unit on the 25th.

metric bytes: SUM, key team
product Storage: metric bytes, shown by team, divided by 1,000, rounded up to 0 places
change Storage: from 2026-01-10, rounded up to 3 places
change Storage: from 2026-01-20, rounded up to 0 places
rate Storage: 1.00
contract main: 2026-01-01
usage bytes: 300 on 2026-01-05, team=x
usage bytes: 0 on 2026-01-15, team=x
usage bytes: 300 on 2026-01-25, team=x
usage bytes: 300 on 2026-01-05, team=y
usage bytes: 300 on 2026-01-25, team=y

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Storage team=x [01-01 → 01-10]                                           1 × 1.00           1.00
|   Storage team=x [01-20 → 02-01]                                           1 × 1.00           1.00
|   Storage team=y [01-01 → 01-10]                                           1 × 1.00           1.00
|   Storage team=y [01-20 → 02-01]                                           1 × 1.00           1.00
|   total                                                                                       4.00
