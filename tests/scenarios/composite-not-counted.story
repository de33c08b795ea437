# From the 15th on Fee asks for a share of Chat too. It names Support, but counts no other composite product: Support's line stays
# whole. First counts composite products, but only those that stand before it on the rate card: its change on the 20th cuts nobody.
metric calls: SUM
product Chat: metric calls
product Storage: metric calls
product First: share of Support, with composites
product Support: share of Storage
product Fee: share of Support
change First: from 2026-01-20, share of Support, share of Fee, with composites
change Fee: from 2026-01-15, share of Support, share of Chat
rate Chat: 10.00
rate Storage: 1.00
rate First: 1%
rate Support: 10%
rate Fee: 5%
contract main: 2026-01-01
usage calls: 10 on 2026-01-10
usage calls: 10 on 2026-01-20
> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Chat [01-01 → 01-15]                                                   10 × 10.00         100.00
|   Chat [01-15 → 02-01]                                                   10 × 10.00         100.00
|   Storage                                                                 20 × 1.00          20.00
|   First [01-01 → 01-20]                                                   0.00 × 1%           0.00
|   First [01-20 → 02-01]                                                   0.00 × 1%           0.00
|   Support                                                               20.00 × 10%           2.00
|   Fee [01-01 → 01-15]                                                     0.00 × 5%           0.00
|   Fee [01-15 → 02-01]                                                   100.00 × 5%           5.00
|   total                                                                                     227.00
