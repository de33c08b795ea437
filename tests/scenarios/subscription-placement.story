# One date, one scheduled invoice: a fee and two subscriptions. What joins a date that is final gets an invoice of its own.
product Seat: subscription
rate Seat: 10.00, monthly
contract main: 2026-01-01
charge Fee: 5.00 on 2026-02-01
subscription Apart: 1 monthly in advance, product Seat, on scheduled invoices
subscription Other: 2 monthly in advance, product Seat, on scheduled invoices
subscription None: 0 monthly in advance, product Seat, on scheduled invoices, 4 on 2026-03-01
> finalize at 2026-02-01
| SCHEDULED main  2026-01-01  USD
|   Apart [01-01 → 02-01]                                                   1 × 10.00          10.00
|   Other [01-01 → 02-01]                                                   2 × 10.00          20.00
|   total                                                                                      30.00
|
| SCHEDULED main  2026-02-01  USD
|   Fee                                                                      1 × 5.00           5.00
|   Apart [02-01 → 03-01]                                                   1 × 10.00          10.00
|   Other [02-01 → 03-01]                                                   2 × 10.00          20.00
|   total                                                                                      35.00
subscription Late: 7 monthly in advance, product Seat, on scheduled invoices, from 2026-02-01
> drafts at 2026-02-01
| USAGE main  2026-01-01 → 2026-02-01  USD
|   total                                                                                       0.00
|
| SCHEDULED main  2026-02-01  USD
|   Late [02-01 → 03-01]                                                    7 × 10.00          70.00
|   total                                                                                      70.00
|
| USAGE main  2026-02-01 → 2026-03-01  USD
|   total                                                                                       0.00
|
| SCHEDULED main  2026-03-01  USD
|   Apart [03-01 → 04-01]                                                   1 × 10.00          10.00
|   Other [03-01 → 04-01]                                                   2 × 10.00          20.00
|   None [03-01 → 04-01]                                                    4 × 10.00          40.00
|   Late [03-01 → 04-01]                                                    7 × 10.00          70.00
|   total                                                                                     140.00
> finalize at 2026-02-03
| USAGE main  2026-01-01 → 2026-02-01  USD
|   total                                                                                       0.00
|
| SCHEDULED main  2026-02-01  USD
|   Late [02-01 → 03-01]                                                    7 × 10.00          70.00
|   total                                                                                      70.00
# Nothing twice: a charge of 1 February that would be on January's statement finds it final.
subscription Very late: 9 monthly in advance, product Seat, from 2026-02-01
> drafts at 2026-02-03
| SCHEDULED main  2026-02-01  USD
|   Very late [02-01 → 03-01]                                               9 × 10.00          90.00
|   total                                                                                      90.00
|
| USAGE main  2026-02-01 → 2026-03-01  USD
|   Very late [03-01 → 04-01]                                               9 × 10.00          90.00
|   total                                                                                      90.00
|
| SCHEDULED main  2026-03-01  USD
|   Apart [03-01 → 04-01]                                                   1 × 10.00          10.00
|   Other [03-01 → 04-01]                                                   2 × 10.00          20.00
|   None [03-01 → 04-01]                                                    4 × 10.00          40.00
|   Late [03-01 → 04-01]                                                    7 × 10.00          70.00
|   total                                                                                     140.00
> finalize at 2026-02-04
| SCHEDULED main  2026-02-01  USD
|   Very late [02-01 → 03-01]                                               9 × 10.00          90.00
|   total                                                                                      90.00
> drafts at 2026-02-04
| USAGE main  2026-02-01 → 2026-03-01  USD
|   Very late [03-01 → 04-01]                                               9 × 10.00          90.00
|   total                                                                                      90.00
|
| SCHEDULED main  2026-03-01  USD
|   Apart [03-01 → 04-01]                                                   1 × 10.00          10.00
|   Other [03-01 → 04-01]                                                   2 × 10.00          20.00
|   None [03-01 → 04-01]                                                    4 × 10.00          40.00
|   Late [03-01 → 04-01]                                                    7 × 10.00          70.00
|   total                                                                                     140.00
