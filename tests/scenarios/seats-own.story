# Ann's usage by model is hers in every line, the dearest first. Bob's seat goes and comes again: he has one part. Carl comes when half
# of January is over, and has half of it.
metric calls: SUM, key user model
product Calls: metric calls, priced by model, shown by user
product Seat: subscription
rate Calls: 1.00, for model=small
rate Calls: 3.00, for model=large
rate Seat: 10.00, monthly
contract main: 2026-01-01
subscription Seats: seats monthly in arrears, product Seat, by user, with ann bob, bob goes on 2026-01-05, bob comes on 2026-01-20, carl comes on 2026-01-16T12
recurring credit Own: 10.00 each month from 2026-01-01, for each seat of Seats, increases prorated
usage calls: 8 on 2026-01-10, user=ann, model=small
usage calls: 3 on 2026-01-10, user=ann, model=large
usage calls: 4 on 2026-01-10, user=bob, model=large
usage calls: 4 on 2026-01-20, user=carl, model=small
> finalize at 2026-02-02
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls model=large user=ann                                               3 × 3.00           9.00  ← Own 2026-01-01
|   Own applied                                                                                −9.00
|   Calls model=large user=bob                           3.33333333333333333333 × 3.00          10.00  ← Own 2026-01-01
|   Own applied                                                                               −10.00
|   Calls model=large user=bob                           0.66666666666666666667 × 3.00           2.00
|   Calls model=small user=ann                                               1 × 1.00           1.00  ← Own 2026-01-01
|   Own applied                                                                                −1.00
|   Calls model=small user=ann                                               7 × 1.00           7.00
|   Calls model=small user=carl                                              4 × 1.00           4.00  ← Own 2026-01-01
|   Own applied                                                                                −4.00
|   Seats                                                                   2 × 10.00          20.00
|   Seats [01-20 → 02-01]                                                   1 × 10.00          10.00
|   total                                                                                      39.00
> ledger Own 2026-01-01 at 2026-02-02
| 2026-01-01  CREDIT_SEGMENT_START                               20.00
| 2026-01-16T12  CREDIT_SEAT_BASED_ADJUSTMENT                        5.00
| 2026-02-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −24.00
| 2026-02-01  CREDIT_EXPIRATION                                  −1.00
> seats Own 2026-01-01 at 2026-02-02
| ann                                   0.00 USD
| bob                                   0.00 USD
| carl                                  1.00 USD

# Void gives to everybody what was theirs. Made anew, the invoice takes the same parts.
> void USAGE main 2026-01-01
| USAGE main  2026-01-01 → 2026-02-01  USD  is void
|   back to Own 2026-01-01                                                                     24.00
> seats Own 2026-01-01 at 2026-02-03
| ann                                  10.00 USD
| bob                                  10.00 USD
| carl                                  5.00 USD
> regenerate USAGE main 2026-01-01 at 2026-02-03
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls model=large user=ann                                               3 × 3.00           9.00  ← Own 2026-01-01
|   Own applied                                                                                −9.00
|   Calls model=large user=bob                           3.33333333333333333333 × 3.00          10.00  ← Own 2026-01-01
|   Own applied                                                                               −10.00
|   Calls model=large user=bob                           0.66666666666666666667 × 3.00           2.00
|   Calls model=small user=ann                                               1 × 1.00           1.00  ← Own 2026-01-01
|   Own applied                                                                                −1.00
|   Calls model=small user=ann                                               7 × 1.00           7.00
|   Calls model=small user=carl                                              4 × 1.00           4.00  ← Own 2026-01-01
|   Own applied                                                                                −4.00
|   Seats                                                                   2 × 10.00          20.00
|   Seats [01-20 → 02-01]                                                   1 × 10.00          10.00
|   total                                                                                      39.00
> seats Own 2026-01-01 at 2026-02-03
| ann                                   0.00 USD
| bob                                   0.00 USD
| carl                                  1.00 USD
