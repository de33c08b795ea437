# What a final invoice says stays, also if a unit were worth something else since. (The API refuses to change a worth;
# drafts are computed from the rate card as it is.)

unit AI Credits: 0.10
metric tokens: SUM
product Tokens: metric tokens
rate Tokens: 1, in AI Credits
contract main: 2026-01-01
usage tokens: 40 on 2026-01-10
usage tokens: 30 on 2026-02-10

> finalize at 2026-02-02
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Tokens                                                          40 × 1 AI Credits  40 AI Credits
|   AI Credits conversion                                                   40 × 0.10           4.00
|   total                                                                                       4.00

unit AI Credits: 0.12

> drafts at 2026-02-15
| USAGE main  2026-02-01 → 2026-03-01  USD
|   Tokens                                                          30 × 1 AI Credits  30 AI Credits
|   AI Credits conversion                                                   30 × 0.12           3.60
|   total                                                                                       3.60
> void USAGE main 2026-01-01
| USAGE main  2026-01-01 → 2026-02-01  USD  is void
> regenerate USAGE main 2026-01-01 at 2026-02-15
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Tokens                                                          40 × 1 AI Credits  40 AI Credits
|   AI Credits conversion                                                   40 × 0.12           4.80
|   total                                                                                       4.80
