# No overages: seats are free for all but the commit, at 2.00 each. Of 10 seats 4 are given back after the price has
# changed: they are set off against those that were charged, so that the commit pays for 6.
metric seats: LATEST
product Seats: metric seats
rate Seats: 0.00, commit 2.00
rate Seats: 0.00, commit 3.00, from 2026-01-15
contract main: 2026-01-01
prepaid Commit: 100.00 from 2026-01-01 to 2027-01-01, at commit rates, of main
usage seats: 10 on 2026-01-10
usage seats: 6 on 2026-01-20
> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Seats [01-01 → 01-15]                                                    6 × 2.00          12.00  ← Commit #1
|   Commit applied [01-01 → 01-15]                                                            −12.00
|   Seats [01-01 → 01-15]                                                    4 × 0.00           0.00
|   Seats [01-15 → 02-01]                                                   −4 × 0.00           0.00
|   total                                                                                       0.00
