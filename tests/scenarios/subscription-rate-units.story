# A SUBSCRIPTION rate in a custom unit: what the credit in units leaves is converted. The multiplier by tiers halves the
# price of the first two. A subscription by a FLAT rate of the same product stands beside it.

unit AI Credits: 0.10
product Support: subscription
rate Support: 3 each at 31, in AI Credits
rate Support: 100, monthly, in AI Credits
contract main: 2026-01-22 to 2026-03-01, explicit priorities
credit Units: 25 from 2026-01-01 to 2026-02-01, AI Credits
override main: tier 2 times 0.5, tier rest times 1, priority 1, product Support, from 2026-02-01
subscription Desk: 1 monthly in arrears, product Support, from 2026-02-01

> drafts at 2026-03-01
| USAGE main  2026-01-22 → 2026-02-01  USD
|   Support (part)                                                2.5 × 10 AI Credits  25 AI Credits  ← Units #1
|   Units applied                                                                     −25 AI Credits
|   Support (part)                                                0.5 × 10 AI Credits   5 AI Credits
|   AI Credits conversion                                                    5 × 0.10           0.50
|   total                                                                                       0.50
|
| USAGE main  2026-02-01 → 2026-03-01  USD
|   Desk tier 1                                                     1 × 50 AI Credits  50 AI Credits
|   Support tier 1                                                2 × 15.5 AI Credits  31 AI Credits
|   Support tier 2                                                  1 × 31 AI Credits  31 AI Credits
|   AI Credits conversion                                                  112 × 0.10          11.20
|   total                                                                                      11.20
