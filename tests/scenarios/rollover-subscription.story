# Seats in advance are asked for on the first day of the new contract, before it is known what rolls over: they do not draw on it.
# Usage does, and the seats of February on its statement.
metric calls: SUM
product Calls: metric calls
product Seat: subscription
rate Calls: 1.00
rate Seat: 10.00, monthly
contract old: 2025-12-01 to 2026-01-01
credit Free: 30.00 from 2025-12-01 to 2026-01-01, rolls over 100%, of old
contract new: 2026-01-01 to 2027-01-01, renews old
subscription Seats: 1 monthly in advance, product Seat, of new
usage calls: 5 on 2025-12-20
usage calls: 8 on 2026-01-10
> finalize at 2026-01-02
| USAGE old  2025-12-01 → 2026-01-01  USD
|   Calls                                                                    5 × 1.00           5.00  ← Free #1
|   Free applied                                                                               −5.00
|   total                                                                                       0.00
|
| SCHEDULED new  2026-01-01  USD
|   Seats [01-01 → 02-01]                                                   1 × 10.00          10.00
|   total                                                                                      10.00
> drafts at 2026-01-31
| USAGE new  2026-01-01 → 2026-02-01  USD
|   Calls                                                                    8 × 1.00           8.00  ← Free in new
|   Free applied                                                                               −8.00
|   Seats [02-01 → 03-01]                                                   1 × 10.00          10.00  ← Free in new
|   Free applied [02-01 → 03-01]                                                              −10.00
|   total                                                                                       0.00
