# What a postpaid commit counts is not free, not even when no true-up asks for the rest of it: the share is of all but the gift.
metric calls: SUM
product Chat: metric calls
product Support: share of Chat, without free usage
rate Chat: 1.00
rate Support: 10%
contract main: 2026-01-01
credit Gift: 20.00 from 2026-01-01 to 2026-02-01, pays Chat
postpaid Promise: 50.00 from 2026-01-01 to 2026-02-01, of main, pays Chat
usage calls: 100 on 2026-01-10
> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Chat                                                                    20 × 1.00          20.00  ← Gift #1
|   Gift applied                                                                              −20.00
|   Chat                                                                    50 × 1.00          50.00  ← Promise #1
|   Promise applied                                                                           −50.00
|   Chat                                                                    30 × 1.00          30.00
|   Support                                                               80.00 × 10%           8.00
|   total                                                                                      88.00
