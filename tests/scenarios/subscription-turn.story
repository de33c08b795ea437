# Two subscriptions of the same product and price, and one credit: it pays for the one first that was agreed first.
product Seat: subscription
rate Seat: 20.00, monthly
contract main: 2026-01-01
subscription First: 3 monthly in advance, product Seat, called Seats
subscription Second: 2 monthly in advance, product Seat, called Seats
credit Welcome: 70.00 from 2026-01-01 to 2026-02-01
> drafts at 2026-01-01
| SCHEDULED main  2026-01-01  USD
|   Seats [01-01 → 02-01]                                                   3 × 20.00          60.00  ← Welcome #1
|   Welcome applied [01-01 → 02-01]                                                           −60.00
|   Seats [01-01 → 02-01]                                                 0.5 × 20.00          10.00  ← Welcome #1
|   Welcome applied [01-01 → 02-01]                                                           −10.00
|   Seats [01-01 → 02-01]                                                 1.5 × 20.00          30.00
|   total                                                                                      30.00
|
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Seats [02-01 → 03-01]                                                   3 × 20.00          60.00
|   Seats [02-01 → 03-01]                                                   2 × 20.00          40.00
|   total                                                                                     100.00
