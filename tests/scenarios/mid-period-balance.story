# A balance that begins or ends inside a billing period pays only for usage inside its own time: the line is split there.
# A balance for another product splits nothing. Quantities add up to what was used, and rounding happens once.

metric calls: SUM
metric bytes: SUM
product Calls: metric calls
product Traffic: metric bytes, divided by 1,000, rounded up to 0 places
rate Calls: 2.00
rate Traffic: 1.00
contract main: 2026-01-01
credit Trial: 10.00 from 2025-12-20 to 2026-01-08, pays Calls
prepaid January: 100.00 from 2026-01-15 to 2026-02-15, invoiced 100.00 on 2026-01-15, of main
usage calls: 4 on 2026-01-07T23
usage calls: 3 on 2026-01-08
usage calls: 6 on 2026-01-14T23
usage calls: 5 on 2026-01-15
usage bytes: 2,300 on 2026-01-03
usage bytes: 2,300 on 2026-01-20

> drafts at 2026-01-31
| SCHEDULED main  2026-01-15  USD
|   January                                                                1 × 100.00         100.00
|   total                                                                                     100.00
|
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls [01-01 → 01-08]                                                    4 × 2.00           8.00  ← Trial #1
|   Trial applied [01-01 → 01-08]                                                              −8.00
|   Calls [01-08 → 01-15]                                                    9 × 2.00          18.00
|   Calls [01-15 → 02-01]                                                    5 × 2.00          10.00  ← January #1
|   January applied [01-15 → 02-01]                                                           −10.00
|   Traffic [01-01 → 01-15]                                                  3 × 1.00           3.00
|   Traffic [01-15 → 02-01]                                                  2 × 1.00           2.00  ← January #1
|   January applied [01-15 → 02-01]                                                            −2.00
|   total                                                                                      21.00
> balances at 2026-01-31
| Trial                                 0.00 USD   (0.00 without drafts)
| January                              88.00 USD   (100.00 without drafts)
