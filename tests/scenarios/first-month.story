# A contract that begins in the middle of a month has a short first statement; months follow the calendar after that.

metric calls: SUM
product Calls: metric calls
rate Calls: 0.01
contract main: 2026-01-20 to 2026-03-10
usage calls: 100 daily 2026-01-01 to 2026-03-31

> drafts at 2026-01-19
| nothing
> needs at 2026-02-15
| calls 2026-01-20 +960 h
> drafts at 2026-02-15
| USAGE main  2026-01-20 → 2026-02-01  USD
|   Calls                                                                1,200 × 0.01          12.00
|   total                                                                                      12.00
|
| USAGE main  2026-02-01 → 2026-03-01  USD
|   Calls                                                                2,800 × 0.01          28.00
|   total                                                                                      28.00
> drafts at 2026-03-20
| USAGE main  2026-01-20 → 2026-02-01  USD
|   Calls                                                                1,200 × 0.01          12.00
|   total                                                                                      12.00
|
| USAGE main  2026-02-01 → 2026-03-01  USD
|   Calls                                                                2,800 × 0.01          28.00
|   total                                                                                      28.00
|
| USAGE main  2026-03-01 → 2026-03-10  USD
|   Calls                                                                  900 × 0.01           9.00
|   total                                                                                       9.00
