# A credit for a tag pays after one for fewer products. Tags are counted when the period begins, for usage and subscriptions
# alike: three products carry this one then, so Named pays first for both, though only Seat carries it when seats are charged.
metric calls: SUM
product Calls: metric calls, tagged ai
product Storage: metric calls, tagged ai
product Seat: subscription, tagged ai
change Calls: from 2026-01-15, tagged none
change Storage: from 2026-01-15, tagged none
rate Calls: 1.00
rate Storage: 0.00
rate Seat: 20.00, monthly
contract main: 2026-01-01
subscription Seats: 3 monthly in arrears, product Seat
credit Tagged: 100.00 from 2026-01-01 to 2027-01-01, pays tag ai
credit Named: 80.00 from 2026-01-01 to 2027-01-01, pays Calls, pays Seat
usage calls: 30 on 2026-01-10
> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls [01-01 → 01-15]                                                   30 × 1.00          30.00  ← Named #1
|   Named applied [01-01 → 01-15]                                                             −30.00
|   Calls [01-15 → 02-01]                                                    0 × 1.00           0.00
|   Storage [01-01 → 01-15]                                                 30 × 0.00           0.00
|   Storage [01-15 → 02-01]                                                  0 × 0.00           0.00
|   Seats                                                                 2.5 × 20.00          50.00  ← Named #1
|   Named applied                                                                             −50.00
|   Seats                                                                 0.5 × 20.00          10.00  ← Tagged #1
|   Tagged applied                                                                            −10.00
|   total                                                                                       0.00
