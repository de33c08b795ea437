# One override counts for a line; they never add up. An overwrite beats every multiplier, the last overwrite beats the
# others, and of several multipliers the lowest counts.

metric tokens: SUM, key model
product Chat: metric tokens, tagged ai
product Search: metric tokens, tagged ai beta
product Storage: metric tokens
rate Chat: 1.00
rate Search: 1.00
rate Storage: 1.00
contract main: 2026-01-01
override main: times 0.9
override main: times 0.8, tagged ai
override main: times 0.5, specifier Search / tag beta gamma
override main: overwrite 2.00, product Storage
override main: overwrite 3.00, product Storage
usage tokens: 10 on 2026-01-10

> drafts at 2026-01-31
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Chat                                                                    10 × 0.80           8.00
|   Search                                                                  10 × 0.80           8.00
|   Storage                                                                 10 × 3.00          30.00
|   total                                                                                      46.00
