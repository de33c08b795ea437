# An overwrite names its product and every pricing group value; a multiplier may name any, and what is only shown.

metric tokens: SUM, key model team
product Chat: metric tokens, priced by model, shown by team
rate Chat: 1.00, for model=a
rate Chat: 2.00, for model=b
contract main: 2026-01-01
override main: overwrite 1.50, specifier Chat / priced model=b
override main: times 0.5, specifier Chat / shown team=red
usage tokens: 4 on 2026-01-05, model=a team=red
usage tokens: 4 on 2026-01-05, model=a team=blue
usage tokens: 4 on 2026-01-05, model=b team=red

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Chat model=a team=blue                                                   4 × 1.00           4.00
|   Chat model=a team=red                                                    4 × 0.50           2.00
|   Chat model=b team=red                                                    4 × 1.50           6.00
|   total                                                                                      12.00
