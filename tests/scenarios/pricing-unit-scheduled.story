# A subscription that is priced in units is asked for on a scheduled invoice: in money, with other money of its date.
# The credits pay from the hour of the date on. What is upcoming draws nothing down, but is shown in money as well.

unit AI Credits: 0.10
product Seat: subscription
rate Seat: 30, in AI Credits, monthly
contract main: 2026-01-01
subscription Seats: 5 monthly in advance, product Seat, on scheduled invoices
charge Setup: 99.00 on 2026-01-01
credit Units: 40 from 2026-01-01 to 2027-01-01, AI Credits
prepaid Dollars: 6.00 from 2026-01-01 to 2027-01-01

> drafts at 2026-01-01
| SCHEDULED main  2026-01-01  USD
|   Setup                                                                   1 × 99.00          99.00
|   Seats [01-01 → 02-01]                                1.33333333333333333333 × 30 AI Credits  40 AI Credits  ← Units #1
|   Units applied [01-01 → 02-01]                                                     −40 AI Credits
|   Seats [01-01 → 02-01]                                3.66666666666666666667 × 30 AI Credits 110 AI Credits
|   AI Credits conversion                                                   60 × 0.10           6.00  ← Dollars #1
|   Dollars applied                                                                            −6.00
|   AI Credits conversion                                                   50 × 0.10           5.00
|   total                                                                                     104.00
|
| USAGE main  2026-01-01 → 2026-02-01  USD
|   total                                                                                       0.00
|
| SCHEDULED main  2026-02-01  USD
|   Seats [02-01 → 03-01]                                           5 × 30 AI Credits 150 AI Credits
|   AI Credits conversion                                                  150 × 0.10          15.00
|   total                                                                                      15.00
> balances at 2026-01-01
| Units                         0 AI Credits   (40 AI Credits without drafts)
| Dollars                               0.00 USD   (6.00 without drafts)
> finalize at 2026-01-01
| SCHEDULED main  2026-01-01  USD
|   Setup                                                                   1 × 99.00          99.00
|   Seats [01-01 → 02-01]                                1.33333333333333333333 × 30 AI Credits  40 AI Credits  ← Units #1
|   Units applied [01-01 → 02-01]                                                     −40 AI Credits
|   Seats [01-01 → 02-01]                                3.66666666666666666667 × 30 AI Credits 110 AI Credits
|   AI Credits conversion                                                   60 × 0.10           6.00  ← Dollars #1
|   Dollars applied                                                                            −6.00
|   AI Credits conversion                                                   50 × 0.10           5.00
|   total                                                                                     104.00
> void SCHEDULED main 2026-01-01
| SCHEDULED main  2026-01-01  USD  is void
|   back to Units #1                                                                   40 AI Credits
|   back to Dollars #1                                                                          6.00
> regenerate SCHEDULED main 2026-01-01 at 2026-01-02
| SCHEDULED main  2026-01-02  USD
|   Setup                                                                   1 × 99.00          99.00
|   Seats [01-01 → 02-01]                                1.33333333333333333333 × 30 AI Credits  40 AI Credits  ← Units #1
|   Units applied [01-01 → 02-01]                                                     −40 AI Credits
|   Seats [01-01 → 02-01]                                3.66666666666666666667 × 30 AI Credits 110 AI Credits
|   AI Credits conversion                                                   60 × 0.10           6.00  ← Dollars #1
|   Dollars applied                                                                            −6.00
|   AI Credits conversion                                                   50 × 0.10           5.00
|   total                                                                                     104.00
