# What a void statement asked for its subscription, the new one asks again; and a charge of its own date too, paid by what came back.
metric calls: SUM
product Calls: metric calls
product Seat: subscription
rate Calls: 1.00
rate Seat: 20.00, monthly
contract main: 2026-01-01
subscription Seats: 3 monthly in arrears, product Seat
subscription Guests: 2 monthly in advance, product Seat, on scheduled invoices
credit Welcome: 70.00 from 2026-01-01 to 2027-01-01
usage calls: 10 on 2026-01-20
> finalize at 2026-01-01
| SCHEDULED main  2026-01-01  USD
|   Guests [01-01 → 02-01]                                                  2 × 20.00          40.00  ← Welcome #1
|   Welcome applied [01-01 → 02-01]                                                           −40.00
|   total                                                                                       0.00
> finalize at 2026-02-02
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls                                                                   10 × 1.00          10.00  ← Welcome #1
|   Welcome applied                                                                           −10.00
|   Seats                                                                   1 × 20.00          20.00  ← Welcome #1
|   Welcome applied                                                                           −20.00
|   Seats                                                                   2 × 20.00          40.00
|   total                                                                                      40.00
|
| SCHEDULED main  2026-02-01  USD
|   Guests [02-01 → 03-01]                                                  2 × 20.00          40.00
|   total                                                                                      40.00
usage calls: 5 on 2026-01-21
> void USAGE main 2026-01-01
| USAGE main  2026-01-01 → 2026-02-01  USD  is void
|   back to Welcome #1                                                                         30.00
> drafts at 2026-02-03
| USAGE main  2026-02-01 → 2026-03-01  USD
|   Calls                                                                    0 × 1.00           0.00
|   Seats                                                                 1.5 × 20.00          30.00  ← Welcome #1
|   Welcome applied                                                                           −30.00
|   Seats                                                                 1.5 × 20.00          30.00
|   total                                                                                      30.00
|
| SCHEDULED main  2026-03-01  USD
|   Guests [03-01 → 04-01]                                                  2 × 20.00          40.00
|   total                                                                                      40.00
> void SCHEDULED main 2026-01-01
| SCHEDULED main  2026-01-01  USD  is void
|   back to Welcome #1                                                                         40.00
> regenerate USAGE main 2026-01-01 at 2026-02-03
| USAGE main  2026-01-01 → 2026-02-01  USD
|   Calls                                                                   15 × 1.00          15.00  ← Welcome #1
|   Welcome applied                                                                           −15.00
|   Seats                                                                2.75 × 20.00          55.00  ← Welcome #1
|   Welcome applied                                                                           −55.00
|   Seats                                                                0.25 × 20.00           5.00
|   total                                                                                       5.00
> regenerate SCHEDULED main 2026-01-01 at 2026-02-03
| SCHEDULED main  2026-02-03  USD
|   Guests [01-01 → 02-01]                                                  2 × 20.00          40.00
|   total                                                                                      40.00
> ledger Welcome at 2026-02-03
| 2026-01-01  CREDIT_SEGMENT_START                               70.00
| 2026-01-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −40.00
| 2026-01-01  CREDIT_CREDITED                                    40.00
| 2026-02-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −30.00
| 2026-02-01  CREDIT_CREDITED                                    30.00
| 2026-02-01  CREDIT_AUTOMATED_INVOICE_DEDUCTION                −70.00
