# Every rule of draw-down order in turn (metronome-api.md §4.7). Each credit holds 10 dollars; usage grows by 10.
#  1 priority   2 free before paid   3 fewest products   4 fewest group value specifiers
#  5 ends first   6 begins first   7 fewest contracts   8 the contract's own before the customer's   9 id

metric calls: SUM, key team
metric others: SUM, key team
product Calls: metric calls, shown by team, tagged api
product Other: metric others, shown by team, tagged api
rate Calls: 1.00
rate Other: 1.00
contract main: 2026-01-01
contract second: 2027-01-01

credit p: 10.00 from 2026-01-01 to 2027-01-01, priority 0.5
prepaid paid: 10.00 from 2026-01-01 to 2026-02-01, invoiced 8.00 on 2026-01-01, billed to main, pays Calls
prepaid free: 10.00 from 2026-01-01 to 2027-01-01, pays Calls
credit tag: 10.00 from 2026-01-01 to 2026-02-01, pays tag api
credit one spec: 10.00 from 2026-01-01 to 2026-03-01, specifier Calls / shown team=red
credit two specs: 10.00 from 2026-01-01 to 2026-02-01, specifier Calls / shown team=red, specifier Calls / shown team=blue
credit ends early: 10.00 from 2026-01-01 to 2026-06-01
credit begins early: 10.00 from 2025-12-01 to 2026-07-01
credit among two contracts: 10.00 from 2026-01-01 to 2026-07-01, contracts main second
credit one contract: 10.00 from 2026-01-01 to 2026-07-01, contracts main
credit own: 10.00 from 2026-01-01 to 2026-07-01, of main
credit z-last: 10.00 from 2026-01-01 to 2026-07-01
credit y-last: 10.00 from 2026-01-01 to 2026-07-01
usage calls: 130 on 2026-01-10, team=red

> drafts at 2026-01-31
| SCHEDULED main  2026-01-01  USD
|   paid                                                                     1 × 8.00           8.00
|   total                                                                                       8.00
|
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls team=red                                                          10 × 1.00          10.00  ← p #1
|   p applied                                                                                 −10.00
|   Calls team=red                                                          10 × 1.00          10.00  ← free #1
|   free applied                                                                              −10.00
|   Calls team=red                                                          10 × 1.00          10.00  ← one spec #1
|   one spec applied                                                                          −10.00
|   Calls team=red                                                          10 × 1.00          10.00  ← two specs #1
|   two specs applied                                                                         −10.00
|   Calls team=red                                                          10 × 1.00          10.00  ← tag #1
|   tag applied                                                                               −10.00
|   Calls team=red                                                          10 × 1.00          10.00  ← ends early #1
|   ends early applied                                                                        −10.00
|   Calls team=red                                                          10 × 1.00          10.00  ← begins early #1
|   begins early applied                                                                      −10.00
|   Calls team=red                                                          10 × 1.00          10.00  ← own #1
|   own applied                                                                               −10.00
|   Calls team=red                                                          10 × 1.00          10.00  ← one contract #1
|   one contract applied                                                                      −10.00
|   Calls team=red                                                          10 × 1.00          10.00  ← among two contracts #1
|   among two contracts applied                                                               −10.00
|   Calls team=red                                                          10 × 1.00          10.00  ← y-last #1
|   y-last applied                                                                            −10.00
|   Calls team=red                                                          10 × 1.00          10.00  ← z-last #1
|   z-last applied                                                                            −10.00
|   Calls team=red                                                          10 × 1.00          10.00  ← paid #1
|   paid applied                                                                              −10.00
|   total                                                                                       0.00
