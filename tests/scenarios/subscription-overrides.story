# An override counts for the periods at whose start it holds. One for monthly rates leaves annual ones alone.
product Seat: subscription
rate Seat: 100.00, monthly
rate Seat: 1,000.00, annual
rate Seat: 15.00, weekly, not entitled
contract main: 2026-01-01 to 2026-07-01, quarterly
override main: times 0.5, specifier Seat / monthly, from 2026-02-01, until 2026-03-02
override main: overwrite 80.00, specifier Seat / monthly, from 2026-03-15, until 2026-04-15
override main: not entitled, specifier Seat / monthly, from 2026-05-01, until 2026-05-02
subscription Month: 2 monthly in arrears, product Seat
subscription Year: 1 annual in advance, product Seat
subscription Week: 1 weekly in advance, product Seat
> drafts at 2026-06-30
| SCHEDULED main  2026-01-01  USD
|   Year [01-01 → 07-01]                                                 1 × 1,000.00       1,000.00
|   total                                                                                   1,000.00
|
| SCHEDULED main  2026-02-01  USD
|   Month [01-01 → 02-01]                                                  2 × 100.00         200.00
|   total                                                                                     200.00
|
| SCHEDULED main  2026-03-01  USD
|   Month [02-01 → 03-01]                                                   2 × 50.00         100.00
|   total                                                                                     100.00
|
| USAGE main  2026-01-01 → 2026-04-01  USD
|   Month [03-01 → 04-01]                                                   2 × 50.00         100.00
|   total                                                                                     100.00
|
| SCHEDULED main  2026-05-01  USD
|   Month [04-01 → 05-01]                                                   2 × 80.00         160.00
|   total                                                                                     160.00
|
| USAGE main  2026-04-01 → 2026-07-01  USD
|   Month [06-01 → 07-01]                                                  2 × 100.00         200.00
|   total                                                                                     200.00
# Not even shown while no period begins to which the customer is entitled; a change of price within a period waits.
rate Seat: 110.00, monthly, from 2026-06-02
override main: entitled, specifier Seat / weekly, from 2026-06-20
> drafts at 2026-06-30
| SCHEDULED main  2026-01-01  USD
|   Year [01-01 → 07-01]                                                 1 × 1,000.00       1,000.00
|   total                                                                                   1,000.00
|
| SCHEDULED main  2026-02-01  USD
|   Month [01-01 → 02-01]                                                  2 × 100.00         200.00
|   total                                                                                     200.00
|
| SCHEDULED main  2026-03-01  USD
|   Month [02-01 → 03-01]                                                   2 × 50.00         100.00
|   total                                                                                     100.00
|
| USAGE main  2026-01-01 → 2026-04-01  USD
|   Month [03-01 → 04-01]                                                   2 × 50.00         100.00
|   total                                                                                     100.00
|
| SCHEDULED main  2026-05-01  USD
|   Month [04-01 → 05-01]                                                   2 × 80.00         160.00
|   total                                                                                     160.00
|
| SCHEDULED main  2026-06-25  USD
|   Week [06-25 → 07-01]                                                    1 × 15.00          15.00
|   total                                                                                      15.00
|
| USAGE main  2026-04-01 → 2026-07-01  USD
|   Month [06-01 → 07-01]                                                  2 × 100.00         200.00
|   total                                                                                     200.00
