# Of the children of a recurring credit those roll over that could still be used: December's 10, and November's that last for
# two months. January's is not given any more.
metric calls: SUM
product Calls: metric calls
rate Calls: 1.00
contract old: 2025-11-01
recurring credit Monthly: 10.00 each month from 2025-11-01, lasting 2 periods, rolls over 50%, of old
usage calls: 4 on 2025-11-10
usage calls: 3 on 2025-12-10
> finalize at 2025-12-20
| USAGE old  2025-11-01 → 2025-12-01  USD
|   Calls                                                                    4 × 1.00           4.00  ← Monthly 2025-11-01
|   Monthly applied                                                                            −4.00
|   total                                                                                       0.00
contract new: 2026-01-01 to 2026-04-01, renews old
usage calls: 12 on 2026-01-10
> drafts at 2026-01-15
| USAGE old  2025-12-01 → 2026-01-01  USD
|   Calls                                                                    3 × 1.00           3.00  ← Monthly 2025-11-01
|   Monthly applied                                                                            −3.00
|   total                                                                                       0.00
|
| USAGE new  2026-01-01 → 2026-02-01  USD
|   Calls                                                                    3 × 1.00           3.00  ← Monthly 2025-11-01 in new
|   Monthly applied                                                                            −3.00
|   Calls                                                                    5 × 1.00           5.00  ← Monthly 2025-12-01 in new
|   Monthly applied                                                                            −5.00
|   Calls                                                                    4 × 1.00           4.00
|   total                                                                                       4.00
> balances at 2026-01-15
| Monthly 2025-11-01                    0.00 USD   (0.00 without drafts)
| Monthly 2025-12-01                    0.00 USD   (0.00 without drafts)
| Monthly 2025-11-01 in new             0.00 USD   (3.00 without drafts)
| Monthly 2025-12-01 in new             0.00 USD   (5.00 without drafts)
