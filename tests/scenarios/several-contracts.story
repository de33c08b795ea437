# Two contracts, both billing the same usage under cards of their own, share a credit of the customer. The statement
# that ends first draws first; of two that end together, the older contract's.

metric calls: SUM
card partner: USD
card nothing: USD
product Calls: metric calls
product Support: metric calls
rate Calls: 1.00
rate Support: 0.10, on partner
contract zeta: 2026-01-01, created 2025-12-01
contract alpha: 2026-01-01, on partner, created 2025-12-02
contract weekly: 2026-01-26, on partner, anchor 2026-01-26, weekly
contract gone: 2026-01-01, archived
contract bare: 2026-01-01, on nothing
credit Shared: 90.00 from 2026-01-01 to 2027-01-01
credit Partner only: 2.00 from 2026-01-01 to 2027-01-01, contracts alpha
usage calls: 80 on 2026-01-10
usage calls: 40 on 2026-01-27

> drafts at 2026-01-31
| USAGE zeta  2026-01-01 → 2026-02-01  USD
|   Calls                                                                   90 × 1.00          90.00  ← Shared #1
|   Shared applied                                                                            −90.00
|   Calls                                                                   30 × 1.00          30.00
|   total                                                                                      30.00
|
| USAGE alpha  2026-01-01 → 2026-02-01  USD
|   Support                                                                 20 × 0.10           2.00  ← Partner only #1
|   Partner only applied                                                                       −2.00
|   Support                                                                100 × 0.10          10.00
|   total                                                                                      10.00
|
| USAGE bare  2026-01-01 → 2026-02-01  USD
|   total                                                                                       0.00
|
| USAGE weekly  2026-01-26 → 2026-02-02  USD
|   Support                                                                 40 × 0.10           4.00
|   total                                                                                       4.00
> balances at 2026-01-31
| Shared                                0.00 USD   (90.00 without drafts)
| Partner only                          0.00 USD   (2.00 without drafts)

# What was finalized is posted; the next period finds what is left.
> finalize at 2026-02-03
| USAGE zeta  2026-01-01 → 2026-02-01  USD
|   Calls                                                                   90 × 1.00          90.00  ← Shared #1
|   Shared applied                                                                            −90.00
|   Calls                                                                   30 × 1.00          30.00
|   total                                                                                      30.00
|
| USAGE alpha  2026-01-01 → 2026-02-01  USD
|   Support                                                                 20 × 0.10           2.00  ← Partner only #1
|   Partner only applied                                                                       −2.00
|   Support                                                                100 × 0.10          10.00
|   total                                                                                      10.00
|
| USAGE bare  2026-01-01 → 2026-02-01  USD
|   total                                                                                       0.00
|
| USAGE weekly  2026-01-26 → 2026-02-02  USD
|   Support                                                                 40 × 0.10           4.00
|   total                                                                                       4.00
usage calls: 5 on 2026-02-10
> drafts at 2026-02-12
| USAGE weekly  2026-02-02 → 2026-02-09  USD
|   Support                                                                  0 × 0.10           0.00
|   total                                                                                       0.00
|
| USAGE weekly  2026-02-09 → 2026-02-16  USD
|   Support                                                                  5 × 0.10           0.50
|   total                                                                                       0.50
|
| USAGE zeta  2026-02-01 → 2026-03-01  USD
|   Calls                                                                    5 × 1.00           5.00
|   total                                                                                       5.00
|
| USAGE alpha  2026-02-01 → 2026-03-01  USD
|   Support                                                                  5 × 0.10           0.50
|   total                                                                                       0.50
|
| USAGE bare  2026-02-01 → 2026-03-01  USD
|   total                                                                                       0.00
> ledger Shared at 2026-02-12
| 2026-01-01  CREDIT_SEGMENT_START                               90.00
| 2026-02-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −90.00
