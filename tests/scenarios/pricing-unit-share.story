# Support is a tenth of what is spent in credits, from the 15th on. This customer pays dollars for tokens, so no line of theirs begins anew there, as one of calls does.
unit AI Credits: 0.10
metric calls: SUM
metric tokens: SUM
product Calls: metric calls, tagged ai
product Tokens: metric tokens, tagged ai
product Support: share of tag ai
rate Calls: 1, in AI Credits
rate Tokens: 1, in AI Credits
rate Support: 10%, from 2026-01-15, in AI Credits
contract main: 2026-01-01
override main: overwrite 0.05, in USD, product Tokens
usage calls: 5 on 2026-01-10
usage calls: 20 on 2026-01-20
usage tokens: 40 on 2026-01-10
usage tokens: 60 on 2026-01-20
> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls [01-01 → 01-15]                                            5 × 1 AI Credits   5 AI Credits
|   Calls [01-15 → 02-01]                                           20 × 1 AI Credits  20 AI Credits
|   Tokens                                                                 100 × 0.05           5.00
|   Support [01-15 → 02-01]                                       20 AI Credits × 10%   2 AI Credits
|   AI Credits conversion                                                   27 × 0.10           2.70
|   total                                                                                       7.70
