# What a balance pays is exact beyond the 20 places of its quantity: here the quantity is rounded to all of the unit.
metric hours: SUM
product Hours: metric hours
rate Hours: 1.00
contract main: 2026-01-01
credit Nearly: 0.9999999999999999999999 from 2026-01-01 to 2027-01-01
usage hours: 1 on 2026-01-10
> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Hours                                                                    1 × 1.00 0.9999999999999999999999  ← Nearly #1
|   Nearly applied                                                                    −0.9999999999999999999999
|   Hours                                                                    0 × 1.00 0.0000000000000000000001
|   total                                                                             0.0000000000000000000001
