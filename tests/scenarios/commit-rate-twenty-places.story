# The credit buys a third of a unit at the list rate of three, and the commit all that is open of the rest, at one: what
# the third is rounded by is nowhere asked for.
metric hours: SUM
product Hours: metric hours
rate Hours: 3.00, commit 1.00
contract main: 2026-01-01
credit Gift: 1.00 from 2026-01-01 to 2027-01-01
prepaid Commit: 100.00 from 2026-01-01 to 2028-01-01, at commit rates, of main
usage hours: 2 on 2026-01-10
> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Hours                                                0.33333333333333333333 × 3.00           1.00  ← Gift #1
|   Gift applied                                                                               −1.00
|   Hours                                                1.66666666666666666667 × 1.00 1.66666666666666666667  ← Commit #1
|   Commit applied                                                                    −1.66666666666666666667
|   total                                                                                       0.00
