# The same term, prorated in four ways: 30 of April's days in whole, from the 11th on, until the 21st, and the ten between.
# A child can be used until its period ends, though the term has ended; and from its own start, though it got the whole.

contract main: 2026-01-01
recurring credit Never: 30.00 each period from 2026-04-11 to 2026-04-21, prorated never, of main
recurring credit First: 30.00 each period from 2026-04-11 to 2026-04-21, prorated first, of main
recurring credit Last: 30.00 each period from 2026-04-11 to 2026-04-21, prorated last, of main
recurring credit Both: 30.00 each period from 2026-04-11 to 2026-04-21, of main
> balances at 2026-03-31T23
> balances at 2026-04-10T23
| Never 2026-04-11                      0.00 USD   (0.00 without drafts)
| First 2026-04-11                      0.00 USD   (0.00 without drafts)
| Last 2026-04-11                       0.00 USD   (0.00 without drafts)
| Both 2026-04-11                       0.00 USD   (0.00 without drafts)
> balances at 2026-04-30T23
| Never 2026-04-11                     30.00 USD   (30.00 without drafts)
| First 2026-04-11                     20.00 USD   (20.00 without drafts)
| Last 2026-04-11                      20.00 USD   (20.00 without drafts)
| Both 2026-04-11                      10.00 USD   (10.00 without drafts)
> ledger Both 2026-04-11 at 2026-05-01
| 2026-04-11  CREDIT_SEGMENT_START                               10.00
| 2026-05-01  CREDIT_EXPIRATION                                 −10.00
