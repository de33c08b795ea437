# Usage counts for a customer under its own id and under each of its ingest aliases, as one.

customer Acme: alias acme-eu, alias acme-us
metric calls: SUM
metric seats: UNIQUE
metric peak: MAX
product Calls: metric calls
product Seats: metric seats
product Peak: metric peak
rate Calls: 1.00
rate Seats: 10.00
rate Peak: 3.00
contract main: 2026-01-01
usage calls: 10 on 2026-01-02
usage calls: 5 on 2026-01-02, as acme-eu
usage calls: 1 on 2026-01-05, as acme-us
usage calls: 1,000 on 2026-01-05, as somebody-else
usage seats: ann bob on 2026-01-02, as acme-eu
usage seats: bob cem on 2026-01-04, as acme-us
usage peak: 4 on 2026-01-02, as acme-eu
usage peak: 3 on 2026-01-03
usage peak: 6 on 2026-01-09, as acme-us

> drafts at 2026-01-10
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls                                                                   16 × 1.00          16.00
|   Seats                                                                   3 × 10.00          30.00
|   Peak                                                                     6 × 3.00          18.00
|   total                                                                                      64.00
