# An anchor on the 31st: a period begins on the last day of a shorter month, and on the 31st again after it.
product Seat: subscription
rate Seat: 31.00, monthly
rate Seat: 365.00, annual
rate Seat: 7.00, weekly
contract main: 2026-01-31 to 2026-05-31, anchor 2026-01-31, quarterly
subscription Month: 1 monthly in advance, product Seat, anchor 2026-01-31, prorated
> drafts at 2026-05-31
| SCHEDULED main  2026-01-31  USD
|   Month [01-31 → 02-28]                                                   1 × 31.00          31.00
|   total                                                                                      31.00
|
| SCHEDULED main  2026-02-28  USD
|   Month [02-28 → 03-31]                                                   1 × 31.00          31.00
|   total                                                                                      31.00
|
| SCHEDULED main  2026-03-31  USD
|   Month [03-31 → 04-30]                                                   1 × 31.00          31.00
|   total                                                                                      31.00
|
| USAGE main  2026-01-31 → 2026-04-30  USD
|   Month [04-30 → 05-31]                                                   1 × 31.00          31.00
|   total                                                                                      31.00
|
| USAGE main  2026-04-30 → 2026-05-31  USD
|   total                                                                                       0.00
# A year from a leap day on: the next begins on 28 February.
contract leap: 2028-02-29, anchor 2028-02-29, annual
subscription Year: 2 annual in arrears, product Seat, of leap
# 5 days of a week: until the contract of one ends, or the subscription of another.
contract short: 2029-01-01 to 2029-01-13
subscription Weeks: 2 weekly in advance, product Seat, prorated, of short, anchor 2029-01-01
contract long: 2029-01-01
subscription Some weeks: 2 weekly in advance, product Seat, prorated, of long, anchor 2029-01-01, until 2029-01-13
> finalize at 2029-01-01
| SCHEDULED main  2026-01-31  USD
|   Month [01-31 → 02-28]                                                   1 × 31.00          31.00
|   total                                                                                      31.00
|
| SCHEDULED main  2026-02-28  USD
|   Month [02-28 → 03-31]                                                   1 × 31.00          31.00
|   total                                                                                      31.00
|
| SCHEDULED main  2026-03-31  USD
|   Month [03-31 → 04-30]                                                   1 × 31.00          31.00
|   total                                                                                      31.00
|
| USAGE main  2026-01-31 → 2026-04-30  USD
|   Month [04-30 → 05-31]                                                   1 × 31.00          31.00
|   total                                                                                      31.00
|
| USAGE main  2026-04-30 → 2026-05-31  USD
|   total                                                                                       0.00
|
| SCHEDULED long  2029-01-01  USD
|   Some weeks [01-01 → 01-08]                                               2 × 7.00          14.00
|   total                                                                                      14.00
|
| SCHEDULED short  2029-01-01  USD
|   Weeks [01-01 → 01-08]                                                    2 × 7.00          14.00
|   total                                                                                      14.00
> drafts at 2029-01-10
| SCHEDULED long  2029-01-08  USD
|   Some weeks (part) [01-08 → 01-13]                                        2 × 5.00          10.00
|   total                                                                                      10.00
|
| SCHEDULED short  2029-01-08  USD
|   Weeks (part) [01-08 → 01-13]                                             2 × 5.00          10.00
|   total                                                                                      10.00
|
| USAGE short  2029-01-01 → 2029-01-13  USD
|   total                                                                                       0.00
|
| USAGE long  2029-01-01 → 2029-02-01  USD
|   total                                                                                       0.00
|
| USAGE leap  2028-02-29 → 2029-02-28  USD
|   Year                                                                   2 × 365.00         730.00
|   total                                                                                     730.00
