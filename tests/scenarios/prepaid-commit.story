# A customer prepaid 50 dollars and used 80 tokens at 1 dollar: the commit pays 50, the invoice asks for 30.
# (metronome-api.md §8, example 7: 5000, −5000, 3000 cents; Data Storage: 400, −400, 600)

metric tokens: SUM
metric storage: SUM
product Tokens: metric tokens
product Data Storage: metric storage
rate Tokens: 1.00
rate Data Storage: 1.00
contract main: 2026-01-01
prepaid Token commit: 50.00 from 2026-01-01 to 2027-01-01, invoiced 45.00 on 2026-01-01, of main, pays Tokens
prepaid Storage commit: 4.00 from 2026-01-01 to 2027-01-01, invoiced 4.00 on 2026-01-01, of main, pays Data Storage
usage tokens: 30 on 2026-01-10
usage tokens: 50 on 2026-01-20
usage storage: 10 on 2026-01-15

> drafts at 2026-01-31
| SCHEDULED main  2026-01-01  USD
|   Token commit                                                            1 × 45.00          45.00
|   Storage commit                                                           1 × 4.00           4.00
|   total                                                                                      49.00
|
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Tokens                                                                  50 × 1.00          50.00  ← Token commit #1
|   Token commit applied                                                                      −50.00
|   Tokens                                                                  30 × 1.00          30.00
|   Data Storage                                                             4 × 1.00           4.00  ← Storage commit #1
|   Storage commit applied                                                                     −4.00
|   Data Storage                                                             6 × 1.00           6.00
|   total                                                                                      36.00
> balances at 2026-01-31
| Token commit                          0.00 USD   (50.00 without drafts)
| Storage commit                        0.00 USD   (4.00 without drafts)
> ledger Token commit at 2026-01-31
| 2026-01-01  PREPAID_COMMIT_SEGMENT_START                       50.00
| 2026-02-01  PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION        −50.00  (pending)
