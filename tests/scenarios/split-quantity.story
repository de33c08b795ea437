# A credit of 1 dollar pays for a third of a unit at 3 dollars. The amount is exact; the quantity has 20 places, and
# quantities still add up.

metric hours: SUM
product Hours: metric hours
rate Hours: 3.00
contract main: 2026-01-01
credit One dollar: 1.00 from 2026-01-01 to 2026-02-01
credit Half cent: 0.005 from 2026-01-01 to 2026-02-02
usage hours: 2.5 on 2026-01-10

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Hours                                                0.33333333333333333333 × 3.00           1.00  ← One dollar #1
|   One dollar applied                                                                         −1.00
|   Hours                                                0.00166666666666666667 × 3.00          0.005  ← Half cent #1
|   Half cent applied                                                                         −0.005
|   Hours                                                                2.165 × 3.00          6.495
|   total                                                                                      6.495
