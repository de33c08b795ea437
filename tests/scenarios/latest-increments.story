# A metric of kind LATEST is billed by how much it changed, also downwards.
# (metronome-api.md §8, example 1: values 7, 9, 10, 5 → billed 7, 2, 1, −5)
# The credit is there on day 2 only, so it pays for the 2 that came on that day, not for the value of 9.

metric devices: LATEST
product Devices: metric devices
rate Devices: 1.00
contract main: 2026-01-01
credit Day-two credit: 100.00 from 2026-01-02 to 2026-01-03
usage devices: 7 on 2026-01-01T12

> drafts at 2026-01-02
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Devices [01-01 → 01-02]                                                  7 × 1.00           7.00
|   Devices [01-02 → 01-03]                                                  0 × 1.00           0.00
|   Devices [01-03 → 02-01]                                                  0 × 1.00           0.00
|   total                                                                                       7.00
usage devices: 9 on 2026-01-02T12
> drafts at 2026-01-03
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Devices [01-01 → 01-02]                                                  7 × 1.00           7.00
|   Devices [01-02 → 01-03]                                                  2 × 1.00           2.00  ← Day-two credit #1
|   Day-two credit applied [01-02 → 01-03]                                                     −2.00
|   Devices [01-03 → 02-01]                                                  0 × 1.00           0.00
|   total                                                                                       7.00
usage devices: 10 on 2026-01-03T12
usage devices: 5 on 2026-01-04T12

# The value fell by 4 in the rest of the month. That takes back the last charges first: the 2 that the credit would
# have paid, and 2 of the 7 that it wouldn't. So a credit is not used up for what was given back.
> drafts at 2026-01-05
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Devices [01-01 → 01-02]                                                  7 × 1.00           7.00
|   Devices [01-02 → 01-03]                                                  2 × 1.00           2.00
|   Devices [01-03 → 02-01]                                                 −4 × 1.00          −4.00
|   total                                                                                       5.00
> balances at 2026-01-02T13
| Day-two credit                      100.00 USD   (100.00 without drafts)
