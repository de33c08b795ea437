# Of 10 calls that the commit paid for and 4 that were free after its end, 5 are given back: the last first, so that the
# commit pays for 9.
metric calls: SUM
product Calls: metric calls
rate Calls: 0.00, commit 2.00
contract main: 2026-01-01
prepaid Commit: 100.00 from 2026-01-01 to 2026-01-11, at commit rates, of main
credit Gift: 5.00 from 2026-01-21 to 2026-02-01
usage calls: 10 on 2026-01-10
usage calls: 4 on 2026-01-20
usage calls: −5 on 2026-01-30
> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls [01-01 → 01-11]                                                    9 × 2.00          18.00  ← Commit #1
|   Commit applied [01-01 → 01-11]                                                            −18.00
|   Calls [01-01 → 01-11]                                                    1 × 0.00           0.00
|   Calls [01-11 → 01-21]                                                    4 × 0.00           0.00
|   Calls [01-21 → 02-01]                                                   −5 × 0.00           0.00
|   total                                                                                       0.00
