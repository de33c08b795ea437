# The credit has half of the list price, which somebody else works out: there is nothing to multiply. So it pays what this contract pays, 20 cents a call.
metric calls: SUM
product Calls: metric calls
rate Calls: custom formula=night
contract main: 2026-01-01
credit Welcome: 3.00 from 2026-01-01 to 2027-01-01
override main: overwrite 0.20, product Calls
override main: times 0.5, for commits, specifier Calls / commit Welcome
usage calls: 80 on 2026-01-10
> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls                                                                   15 × 0.20           3.00  ← Welcome #1
|   Welcome applied                                                                            −3.00
|   Calls                                                                   65 × 0.20          13.00
|   total                                                                                      13.00
