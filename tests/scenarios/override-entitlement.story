# The card withholds Beta and sells Calls. This contract gets Beta from the 10th on, at another price than the list's,
# and loses Calls on the 20th. The override that was added last says who is entitled.

metric calls: SUM
product Calls: metric calls
product Beta: metric calls
rate Calls: 1.00
rate Beta: 5.00, not entitled
contract main: 2026-01-01
contract other: 2026-01-01
override main: entitled, product Beta, from 2026-01-10
override main: overwrite 4.00, product Beta, from 2026-01-15
override main: not entitled, product Calls, from 2026-01-20
usage calls: 1 daily 2026-01-01 to 2026-02-01

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls [01-01 → 01-20]                                                   19 × 1.00          19.00
|   Beta [01-10 → 01-15]                                                     5 × 5.00          25.00
|   Beta [01-15 → 02-01]                                                    17 × 4.00          68.00
|   total                                                                                     112.00
|
| USAGE other  2026-01-01 → 2026-02-01  USD
|   Calls                                                                   31 × 1.00          31.00
|   total                                                                                      31.00
