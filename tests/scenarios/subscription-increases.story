# Charged in advance; what comes within January (15 of 31 days from the 17th on) is charged when January ends, at January's
# price, also on its statement. The first five seats cost all of it and the others half, counted from the first of the period.
product Seat: subscription
rate Seat: 31.00, monthly
rate Seat: 62.00, monthly, from 2026-01-10
contract main: 2026-01-01, explicit priorities
override main: tier 5 times 1, tier rest times 0.5, priority 1
subscription Seats: 4 monthly in advance, product Seat, prorated, +3 on 2026-01-17
> finalize at 2026-01-01
| SCHEDULED main  2026-01-01  USD
|   Seats tier 1 [01-01 → 02-01]                                            4 × 31.00         124.00
|   total                                                                                     124.00
> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Seats tier 1 (part) [01-17 → 02-01]                                     1 × 15.00          15.00
|   Seats tier 2 (part) [01-17 → 02-01]                                      2 × 7.50          15.00
|   Seats tier 1 [02-01 → 03-01]                                            5 × 62.00         310.00
|   Seats tier 2 [02-01 → 03-01]                                            2 × 31.00          62.00
|   total                                                                                     402.00
# Where nothing is prorated, an increase costs as much as a whole period.
subscription Whole: 1 monthly in advance, product Seat, +1 on 2026-01-17, increases at once
> drafts at 2026-01-31
| SCHEDULED main  2026-01-01  USD
|   Whole tier 1 [01-01 → 02-01]                                            1 × 31.00          31.00
|   total                                                                                      31.00
|
| SCHEDULED main  2026-01-17  USD
|   Whole tier 1 [01-17 → 02-01]                                            1 × 31.00          31.00
|   total                                                                                      31.00
|
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Seats tier 1 (part) [01-17 → 02-01]                                     1 × 15.00          15.00
|   Seats tier 2 (part) [01-17 → 02-01]                                      2 × 7.50          15.00
|   Seats tier 1 [02-01 → 03-01]                                            5 × 62.00         310.00
|   Seats tier 2 [02-01 → 03-01]                                            2 × 31.00          62.00
|   Whole tier 1 [02-01 → 03-01]                                            2 × 62.00         124.00
|   total                                                                                     526.00
