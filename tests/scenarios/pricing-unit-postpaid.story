# A postpaid commit in dollars counts what a conversion asks for; it stays to be paid, and the true-up asks for the rest
# of the promise. Before that a credit at commit rates pays in units, at half price: 50 units for 100 tokens.

unit AI Credits: 0.10
metric tokens: SUM
product Tokens: metric tokens
rate Tokens: 1, commit 0.5, in AI Credits
contract main: 2026-01-01 to 2026-02-01
credit Units: 50 from 2026-01-01 to 2026-02-01, AI Credits, at commit rates
postpaid Promise: 40.00 from 2026-01-01 to 2026-02-01, of main, trued up 40.00 on 2026-02-01
usage tokens: 350 on 2026-01-10

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Tokens                                                       100 × 0.5 AI Credits  50 AI Credits  ← Units #1
|   Units applied                                                                     −50 AI Credits
|   Tokens                                                         250 × 1 AI Credits 250 AI Credits
|   AI Credits conversion                                                  250 × 0.10          25.00  ← Promise #1
|   Promise applied                                                                           −25.00
|   total                                                                                      25.00
|
| SCHEDULED main  2026-02-01  USD
|   Promise true-up                                                         1 × 15.00          15.00
|   total                                                                                      15.00
> ledger Promise at 2026-02-01
| 2026-01-01  POSTPAID_COMMIT_INITIAL_BALANCE                    40.00
| 2026-02-01  POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION       −25.00  (pending)
| 2026-02-01  POSTPAID_COMMIT_TRUEUP                            −15.00  (pending)
