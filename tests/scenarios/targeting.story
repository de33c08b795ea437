# What a balance may pay for: products or tags (any of them), or specifiers: any of them, each with all of its parts.

metric tokens: SUM, key model team
product Chat: metric tokens, priced by model, shown by team, tagged ai beta
product Search: metric tokens, shown by team, tagged ai
product Storage: metric tokens
rate Chat: 1.00, for model=a
rate Chat: 2.00, for model=b
rate Search: 1.00
rate Storage: 1.00
contract main: 2026-01-01
credit ai and beta: 6.00 from 2026-01-01 to 2026-02-01, priority 1, specifier tag ai beta / priced model=b
credit red or storage: 5.00 from 2026-01-01 to 2026-02-01, priority 2, specifier Search / shown team=red, specifier Storage
credit any ai: 100.00 from 2026-01-01 to 2026-02-01, priority 3, pays tag ai, pays tag unknown
usage tokens: 4 on 2026-01-05, model=a team=red
usage tokens: 4 on 2026-01-05, model=b team=blue

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Chat model=a team=red                                                    4 × 1.00           4.00  ← any ai #1
|   any ai applied                                                                             −4.00
|   Chat model=b team=blue                                                   3 × 2.00           6.00  ← ai and beta #1
|   ai and beta applied                                                                        −6.00
|   Chat model=b team=blue                                                   1 × 2.00           2.00  ← any ai #1
|   any ai applied                                                                             −2.00
|   Search team=blue                                                         4 × 1.00           4.00  ← any ai #1
|   any ai applied                                                                             −4.00
|   Search team=red                                                          4 × 1.00           4.00  ← red or storage #1
|   red or storage applied                                                                     −4.00
|   Storage                                                                  1 × 1.00           1.00  ← red or storage #1
|   red or storage applied                                                                     −1.00
|   Storage                                                                  7 × 1.00           7.00
|   total                                                                                       7.00
