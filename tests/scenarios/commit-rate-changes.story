# Only the commit rate changes in the middle of the month. A commit that begins later does not cut what is before it,
# not even where an override for it begins.
metric calls: SUM
product Calls: metric calls
rate Calls: 1.00, commit 0.80
rate Calls: 1.00, commit 0.50, from 2026-01-11
contract main: 2026-01-01
prepaid Now: 12.00 from 2026-01-01 to 2026-01-21, at commit rates, of main
prepaid Later: 12.00 from 2026-01-21 to 2027-01-01, at commit rates, of main
override main: times 0.5, for commits, on commit rates, specifier Calls / commit Later, from 2026-01-16
usage calls: 10 on 2026-01-10
usage calls: 10 on 2026-01-20
usage calls: 10 on 2026-01-30
> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls [01-01 → 01-11]                                                   10 × 0.80           8.00  ← Now #1
|   Now applied [01-01 → 01-11]                                                                −8.00
|   Calls [01-11 → 01-21]                                                    8 × 0.50           4.00  ← Now #1
|   Now applied [01-11 → 01-21]                                                                −4.00
|   Calls [01-11 → 01-21]                                                    2 × 1.00           2.00
|   Calls [01-21 → 02-01]                                                   10 × 0.25           2.50  ← Later #1
|   Later applied [01-21 → 02-01]                                                              −2.50
|   total                                                                                       2.00
