# A pool that is bought: 100 dollars for each seat and quarter, for 200 whatever there is. Of the 90 days of the first quarter a third
# seat has 31, and what goes above three 12. Shares are rounded to the dollar, each increase for itself: 34.44 → 34 and 13.33 → 13. In
# the second quarter there are 4, and 2 more for 77 of 91 days: 169.23 → 169.
product Seat: subscription
rate Seat: 0.00, monthly
contract main: 2026-01-01
subscription Seats: 2 monthly in arrears, product Seat, from 2026-01-01, +1 on 2026-03-01, −3 on 2026-03-10, +4 on 2026-03-20, 6 on 2026-04-15
recurring prepaid Pool: 100.00 each quarter from 2026-01-01, pooled for Seats, increases prorated, invoiced 200.00, rounded half-up to 0 places, of main
> finalize at 2026-01-02
| SCHEDULED main  2026-01-01  USD
|   Pool                                                                   1 × 200.00         200.00
|   total                                                                                     200.00
> ledger Pool 2026-01-01 at 2026-03-31
| 2026-01-01  PREPAID_COMMIT_SEGMENT_START                      200.00
| 2026-03-01  PREPAID_COMMIT_SEAT_BASED_ADJUSTMENT               34.00
| 2026-03-20  PREPAID_COMMIT_SEAT_BASED_ADJUSTMENT               13.00
> balances at 2026-04-14
| Pool 2026-01-01                       0.00 USD   (0.00 without drafts)
| Pool 2026-04-01                     400.00 USD   (400.00 without drafts)
| Pool 2026-07-01                       0.00 USD   (0.00 without drafts)
> balances at 2026-04-15
| Pool 2026-01-01                       0.00 USD   (0.00 without drafts)
| Pool 2026-04-01                     569.00 USD   (569.00 without drafts)
| Pool 2026-07-01                       0.00 USD   (0.00 without drafts)

# Without proration an increase gives as much as those that were there, here the share of a first period of 11 days; with none at first,
# the child begins with nothing. Each child can be used for two months, and grows in its own one only.
contract main: 2026-01-01
subscription Seats: 0 monthly in arrears, product Seat, +2 on 2026-01-25, +1 on 2026-02-10
recurring credit Pool: 31.00 each period from 2026-01-21, pooled for Seats, lasting 2 periods, of main
> ledger Pool 2026-01-21 at 2026-02-20
| 2026-01-21  CREDIT_SEGMENT_START                                0.00
| 2026-01-25  CREDIT_SEAT_BASED_ADJUSTMENT                       22.00
> ledger Pool 2026-02-01 at 2026-02-20
| 2026-02-01  CREDIT_SEGMENT_START                               62.00
| 2026-02-10  CREDIT_SEAT_BASED_ADJUSTMENT                       31.00
> balances at 2026-02-20
| Pool 2026-01-21                      22.00 USD   (22.00 without drafts)
| Pool 2026-02-01                      93.00 USD   (93.00 without drafts)
| Pool 2026-03-01                       0.00 USD   (0.00 without drafts)

# When the subscription ends, nothing is given any more; what was given stays until its period ends.
contract main: 2026-01-01
subscription Seats: 2 monthly in arrears, product Seat, until 2026-02-10, +1 on 2026-02-20
recurring credit Pool: 31.00 each month from 2026-01-01, pooled for Seats, of main
> balances at 2026-02-15
| Pool 2026-01-01                       0.00 USD   (0.00 without drafts)
| Pool 2026-02-01                      62.00 USD   (62.00 without drafts)
> balances at 2026-03-15
| Pool 2026-01-01                       0.00 USD   (0.00 without drafts)
| Pool 2026-02-01                       0.00 USD   (0.00 without drafts)
