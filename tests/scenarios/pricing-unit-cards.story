# One unit is worth a dime on one card and a quarter of a euro on another. A credit in units pays on both, and first on
# the statement of the older contract; its units have one worth each where they are left to be paid, none of their own.

card european: EUR
unit AI Credits: 0.10, 0.25 on european
metric tokens: SUM
product Tokens: metric tokens
rate Tokens: 1, in AI Credits
rate Tokens: 2, in AI Credits, on european
contract dollars: 2026-01-01, created 2025-12-01
contract euros: 2026-01-01, on european, created 2025-12-02
credit Units: 130 from 2026-01-01 to 2027-01-01, AI Credits
prepaid Pack: 10 from 2026-01-01 to 2027-01-01, AI Credits, of euros, invoiced 1.50 on 2026-01-01
usage tokens: 100 on 2026-01-10

> drafts at 2026-01-31
| SCHEDULED euros  2026-01-01  USD
|   Pack                                                                     1 × 1.50           1.50
|   total                                                                                       1.50
|
| USAGE dollars  2026-01-01 → 2026-02-01  USD
|   Tokens                                                         100 × 1 AI Credits 100 AI Credits  ← Units #1
|   Units applied                                                                     −100 AI Credits
|   total                                                                                       0.00
|
| USAGE euros  2026-01-01 → 2026-02-01  EUR
|   Tokens                                                          15 × 2 AI Credits  30 AI Credits  ← Units #1
|   Units applied                                                                     −30 AI Credits
|   Tokens                                                           5 × 2 AI Credits  10 AI Credits  ← Pack #1
|   Pack applied                                                                      −10 AI Credits
|   Tokens                                                          80 × 2 AI Credits 160 AI Credits
|   AI Credits conversion                                                  160 × 0.25          40.00
|   total                                                                                      40.00
> finalize at 2026-02-02
| SCHEDULED euros  2026-01-01  USD
|   Pack                                                                     1 × 1.50           1.50
|   total                                                                                       1.50
|
| USAGE dollars  2026-01-01 → 2026-02-01  USD
|   Tokens                                                         100 × 1 AI Credits 100 AI Credits  ← Units #1
|   Units applied                                                                     −100 AI Credits
|   total                                                                                       0.00
|
| USAGE euros  2026-01-01 → 2026-02-01  EUR
|   Tokens                                                          15 × 2 AI Credits  30 AI Credits  ← Units #1
|   Units applied                                                                     −30 AI Credits
|   Tokens                                                           5 × 2 AI Credits  10 AI Credits  ← Pack #1
|   Pack applied                                                                      −10 AI Credits
|   Tokens                                                          80 × 2 AI Credits 160 AI Credits
|   AI Credits conversion                                                  160 × 0.25          40.00
|   total                                                                                      40.00
> ledger Units at 2026-02-02
| 2026-01-01  CREDIT_SEGMENT_START                        130 AI Credits
| 2026-02-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION          −100 AI Credits
| 2026-02-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION          −30 AI Credits
