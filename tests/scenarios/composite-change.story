# Support asks for a share of Chat, from the 15th on of Storage instead, and from the 22nd on without what is free.
metric calls: SUM
product Chat: metric calls
product Storage: metric calls
product Support: share of Chat
change Support: from 2026-01-15, share of Storage
change Support: from 2026-01-22, share of Storage, without free usage
rate Chat: 10.00
rate Storage: 1.00
rate Support: 10%
contract main: 2026-01-01
credit Gift: 12.00 from 2026-01-15 to 2026-02-01, pays Storage
usage calls: 10 on 2026-01-10
usage calls: 10 on 2026-01-20
usage calls: 10 on 2026-01-25
> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Chat [01-01 → 01-15]                                                   10 × 10.00         100.00
|   Chat [01-15 → 02-01]                                                   20 × 10.00         200.00
|   Storage [01-01 → 01-15]                                                 10 × 1.00          10.00
|   Storage [01-15 → 01-22]                                                 10 × 1.00          10.00  ← Gift #1
|   Gift applied [01-15 → 01-22]                                                              −10.00
|   Storage [01-22 → 02-01]                                                  2 × 1.00           2.00  ← Gift #1
|   Gift applied [01-22 → 02-01]                                                               −2.00
|   Storage [01-22 → 02-01]                                                  8 × 1.00           8.00
|   Support [01-01 → 01-15]                                              100.00 × 10%          10.00
|   Support [01-15 → 01-22]                                               10.00 × 10%           1.00
|   Support [01-22 → 02-01]                                                8.00 × 10%           0.80
|   total                                                                                     329.80
