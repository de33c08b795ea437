# Seats are charged as they come and given back as they go, in units as in money: 10 × 2 − 6 × 3 = 2 are left in
# January; in February more goes back than came, and the conversion is below zero. No credit becomes more by it.

card european: EUR
unit AI Credits: 0.25 on european
metric seats: LATEST
product Seats: metric seats
rate Seats: 2, in AI Credits, on european
rate Seats: 3, in AI Credits, on european, from 2026-01-20
rate Seats: 5, in AI Credits, on european, from 2026-02-20
contract main: 2026-01-01, on european
credit Units: 1.5 from 2026-01-01 to 2026-03-01, AI Credits
credit Euros: 0.10 from 2026-01-01 to 2027-01-01, EUR
usage seats: 10 on 2026-01-10
usage seats: 4 on 2026-01-25
usage seats: 6 on 2026-02-10
usage seats: 1 on 2026-02-25

> drafts at 2026-02-28
| USAGE main  2026-01-01 → 2026-02-01  EUR
|   Seats [01-01 → 01-20]                                         0.75 × 2 AI Credits 1.5 AI Credits  ← Units #1
|   Units applied [01-01 → 01-20]                                                     −1.5 AI Credits
|   Seats [01-01 → 01-20]                                         9.25 × 2 AI Credits 18.5 AI Credits
|   Seats [01-20 → 02-01]                                           −6 × 3 AI Credits −18 AI Credits
|   AI Credits conversion                                                  0.4 × 0.25           0.10  ← Euros #1
|   Euros applied                                                                              −0.10
|   AI Credits conversion                                                  0.1 × 0.25          0.025
|   total                                                                                      0.025
|
| USAGE main  2026-02-01 → 2026-03-01  EUR
|   Seats [02-01 → 02-20]                                            6 × 3 AI Credits  18 AI Credits
|   Seats [02-20 → 03-01]                                           −5 × 5 AI Credits −25 AI Credits
|   AI Credits conversion                                                   −7 × 0.25          −1.75
|   total                                                                                      −1.75
> balances at 2026-02-28
| Units                         0 AI Credits   (1.5 AI Credits without drafts)
| Euros                                 0.00 EUR   (0.10 without drafts)
> preview merge seats 9 on 2026-02-27 at 2026-02-28
| USAGE main  2026-02-01 → 2026-03-01  EUR
|   Seats [02-01 → 02-20]                                            6 × 3 AI Credits  18 AI Credits
|   Seats [02-20 → 03-01]                                            3 × 5 AI Credits  15 AI Credits
|   AI Credits conversion                                                   33 × 0.25           8.25
|   total                                                                                       8.25
