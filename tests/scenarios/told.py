"""What a story tells: terms and usage of one customer in plain words, and the open invoices that follow."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msgspec import structs

from scenarios import words
from support.asked import items_on
from winkel.api.contract_ends import ended
from winkel.bill.draft import Draft, Drafted, drafted
from winkel.bill.invoiced import Invoiced
from winkel.bill.issue import moved, open_invoice
from winkel.bill.purse import RATED
from winkel.bill.recurring import with_children
from winkel.bill.rollover import with_rollovers
from winkel.bill.statement import Need, needs, usage_key
from winkel.model.account import Account
from winkel.model.commit import Balance, BalanceType, InvoiceSchedule, RateSide, ScheduleItem, Segment
from winkel.model.contract import (
    ChargesOnUsageInvoices,
    Contract,
    Discount,
    ScheduledCharge,
    StatementSchedule,
    Transition,
    TransitionType,
)
from winkel.model.credit_type import QUANTITY, USD, CreditType
from winkel.model.customer import Customer
from winkel.model.hierarchy import AccessTo, AsChild, ChildAccess, Consolidation, Payer, StatementBehavior
from winkel.model.invoice import Invoice, InvoiceType
from winkel.model.ledger import EntryKind, LedgerEntry
from winkel.model.metric import Aggregation, BillableMetric
from winkel.model.override import Prioritization
from winkel.model.period import EPOCH, Frequency, hour_number, month_start
from winkel.model.pro_service import ProServiceInvoice
from winkel.model.product import (
    Product,
    ProductState,
    ProductType,
    ProductUpdate,
)
from winkel.model.rate_card import Conversion, Rate, RateCard
from winkel.model.usage import HourUsage

BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)


class Told:
    """What a story has told so far, and what is open by it."""

    def __init__(self) -> None:
        self.customer = Customer(id="customer", name="customer", created_at=BEGINNING, updated_at=BEGINNING)
        self.cards: dict[str, RateCard] = {"standard": _card("standard", USD.id)}
        self.units: dict[str, CreditType] = dict(words.CURRENCY)
        self.contracts: dict[str, Contract] = {}
        self.rates: list[Rate] = []
        self.relatives: dict[str, Customer] = {}
        self.products: dict[str, Product] = {}
        self.metrics: dict[str, BillableMetric] = {}
        self.balances: dict[str, Balance] = {}
        self.entries: list[LedgerEntry] = []
        self.final: dict[str, Invoice] = {}
        self.usage: dict[str, list[HourUsage]] = {}

    def tell(self, word: str, name: str, clauses: list[str]) -> None:
        """Take in one line."""
        match word:
            case "customer":
                aliases = tuple(clause.split()[1] for clause in clauses)
                self.customer = structs.replace(self.customer, name=name, ingest_aliases=aliases)
            case "relative":
                aliases = tuple(clause.split()[1] for clause in clauses)
                self.relatives[name] = structs.replace(self.customer, id=name, name=name, ingest_aliases=aliases)
            case "card":
                self.cards[name] = _card(name, self.units[clauses[0]].id)
            case "unit":
                self.units[name] = CreditType(name, name, is_currency=False)
                for clause in clauses:
                    worth, _, card = clause.partition(" on ")
                    self._convert(name, worth, card or "standard")
            case "metric":
                keys = tuple(tuple(clause.split()[1:]) for clause in clauses[1:])
                self.metrics[name] = BillableMetric(
                    id=name,
                    name=name,
                    aggregation_type=Aggregation(clauses[0]),
                    aggregation_key="value",
                    group_keys=keys,
                )
                for index in range(len(self.metrics[name].keys)):
                    self.usage[usage_key(name, index)] = []
            case "product":
                state = ProductState(name=name, created_at=BEGINNING, created_by="story")
                subscribed = clauses[:1] == ["subscription"]
                state = structs.replace(state, **words.terms(clauses[subscribed:]))
                composite = state.composite_product_ids or state.composite_tags
                kind = ProductType.COMPOSITE if composite else ProductType.USAGE
                kind = ProductType.SUBSCRIPTION if subscribed else kind
                self.products[name] = Product(id=name, type=kind, initial=state)
            case "change":
                start = words.moment(clauses[0].removeprefix("from "))
                update = ProductUpdate(
                    created_at=BEGINNING, created_by="story", starting_at=start, **words.terms(clauses[1:])
                )
                product = self.products[name]
                self.products[name] = structs.replace(product, updates=(*product.updates, update))
            case "rate":
                self.rates.append(self._rate(name, clauses))
            case "contract":
                self.contracts[name] = self._contract(name, clauses)
            case "charge" | "discount":
                self._dated(word, name, clauses)
            case "recurring":
                self.products.setdefault("Fixed", _fixed())
                contract, term = words.recurring(name, clauses, self.units)
                its = self.contracts[contract]
                self.contracts[contract] = structs.replace(its, recurring_balances=(*its.recurring_balances, term))
            case "subscription":
                self._subscribe(name, clauses)
            case "service":
                self._serve(name, clauses)
            case "services":
                self._ask_for_services(words.moment(name), clauses)
            case "filter":
                contract = self.contracts[name]
                made = words.usage_filter(clauses, contract.starting_at)
                self.contracts[name] = structs.replace(contract, usage_filters=(*contract.usage_filters, made))
            case "override":
                contract = self.contracts[name]
                its_id, unit = f"override {len(contract.overrides)}", self._unit_of(contract, clauses)
                made = words.override(its_id, clauses, unit)
                self.contracts[name] = structs.replace(contract, overrides=(*contract.overrides, made))
            case "credit" | "prepaid" | "postpaid":
                self.balances[name] = self._balance(word, name, clauses)
            case "seated":
                self._seat(name, clauses)
            case "issue":
                self._issue(name, clauses)
            case "entry":
                self.entries.append(self._entry(name, clauses))
            case "usage":
                for metric_id, index, row in self._rows(self.metrics[name], clauses):
                    self.usage[usage_key(metric_id, index)].append(row)
            case _:
                raise ValueError(f"a story doesn't know the word {word!r}")

    def _convert(self, unit: str, worth: str, card: str) -> None:
        """Say what a custom unit is worth on a card, for the first time or anew."""
        its = self.cards[card]
        others = [each for each in its.credit_type_conversions if each.custom_credit_type_id != unit]
        made = Conversion(unit, words.amount(worth, its.fiat_credit_type_id))
        self.cards[card] = structs.replace(its, credit_type_conversions=(*others, made))

    def _unit_of(self, contract: Contract, clauses: list[str]) -> str:
        """Return the unit that an override names, or that of the rates it is for: of its product, or the card's."""
        for clause in clauses:
            if clause.startswith("in "):
                return self.units[clause.removeprefix("in ")].id
        card, named = self.cards[contract.rate_card_id], {f"product {each.product_id}": each for each in self.rates}
        found = [named[clause].credit_type_id for clause in clauses if clause in named]
        return found[0] if found else card.fiat_credit_type_id

    def _rate(self, name: str, clauses: list[str]) -> Rate:
        card, values, entitled, start, end, frequency = "standard", {}, True, BEGINNING, None, None
        parts, commit_parts, unit = [], [], None
        for clause in clauses:
            match clause.split():
                case ["on", card]:
                    pass
                case ["in", *named]:
                    unit = self.units[" ".join(named)].id
                case ["commit", *price]:
                    commit_parts.append(price)
                case ["for", *pairs]:
                    values = words.values(pairs)
                case ["not", "entitled"]:
                    entitled = False
                case ["from", day]:
                    start = words.moment(day)
                case ["until", day]:
                    end = words.moment(day)
                case [word] if word.upper() in Frequency.__members__:
                    frequency = Frequency(word)
                case parts_of_price:
                    parts.append(parts_of_price)
        unit = unit or self.cards[card].fiat_credit_type_id
        return Rate(
            id=f"rate {len(self.rates)}",
            rate_card_id=card,
            product_id=name,
            price=words.price(parts, unit),
            entitled=entitled,
            starting_at=start,
            ending_before=end,
            number=len(self.rates),
            credit_type_id=unit,
            pricing_group_values=values,
            commit_price=words.price(commit_parts, unit) if commit_parts else None,
            billing_frequency=frequency,
        )

    def _contract(self, name: str, clauses: list[str]) -> Contract:
        card: str | None = "standard"
        frequency, created, archived, renewed, first = Frequency.MONTHLY, None, None, None, None
        prioritization, placement = Prioritization.LOWEST_MULTIPLIER, None
        customer_id, consolidation, place = self.customer.id, None, {}
        start, end = words.term(clauses[0])
        anchor = month_start(start)
        for clause in clauses[1:]:
            match clause.split():
                case ["on", card]:
                    pass
                case ["anchor", day]:
                    anchor = words.moment(day)
                case ["created", day]:
                    created = words.moment(day)
                case ["archived"]:
                    archived = start
                case ["statements", "from", day]:
                    first = words.moment(day)
                case ["renews", renewed]:
                    self._end(renewed, start)
                case ["for", customer_id]:
                    pass
                case ["under", parent]:
                    place["parent"] = self.contracts[parent].ref
                case ["parent", "pays"]:
                    place["payer"] = Payer.PARENT
                case ["consolidated"]:
                    place["usage_statement_behavior"] = StatementBehavior.CONSOLIDATE
                case ["consolidates"]:
                    consolidation = Consolidation.CONCATENATE
                case ["explicit", "priorities"]:
                    prioritization = Prioritization.EXPLICIT
                case ["charges", "on", "usage", "invoices"]:
                    placement = ChargesOnUsageInvoices.ALL
                case [word]:
                    frequency = Frequency(word)
        return Contract(
            id=name,
            customer_id=customer_id,
            starting_at=start,
            ending_before=end,
            created_at=created or start,
            created_by="story",
            usage_statement_schedule=StatementSchedule(frequency, anchor, first),
            rate_card_id=card,
            multiplier_override_prioritization=prioritization,
            archived_at=archived,
            scheduled_charges_on_usage_invoices=placement,
            transition=renewed and Transition(TransitionType.RENEWAL, renewed),
            as_child=AsChild(**place) if place else None,
            consolidation=consolidation,
        )

    def _end(self, name: str, end: datetime) -> None:
        """End a contract where another begins, unless it ended before: its own balances too; true-ups stay."""
        if (so_far := self.contracts[name].ending_before) is not None and so_far <= end:
            return
        held = [each for each in self.balances.values() if each.contract_id == name]
        old = self.contracts[name]
        self.contracts[name], cut = ended(old, held, end, Invoiced(end, (), ()))
        for before, after in zip(held, cut, strict=False):
            schedule = before.invoice_schedule if before.type is BalanceType.POSTPAID else after.invoice_schedule
            self.balances[after.id] = structs.replace(after, invoice_schedule=schedule)

    def _balance(self, word: str, name: str, clauses: list[str]) -> Balance:
        kind = BalanceType(word)
        unit, fields = USD.id, {"priority": Decimal(1), "customer_id": self.customer.id}
        amounts, invoiced, specifiers = [], [], []
        products, tags = [], []
        for clause in clauses:
            match clause.split():
                case named if " ".join(named) in self.units:
                    unit = self.units[" ".join(named)].id
                case ["units"]:
                    unit = QUANTITY
                case ["priority", number]:
                    fields["priority"] = Decimal(number)
                case ["of", contract]:
                    fields |= {"contract_id": contract, "customer_id": self.contracts[contract].customer_id}
                case ["for", customer_id]:
                    fields["customer_id"] = customer_id
                case ["shared", "with", "all", "children"]:
                    fields["child_access"] = ChildAccess(AccessTo.ALL)
                case ["shared", "with", *names]:
                    fields["child_access"] = ChildAccess(AccessTo.CONTRACT_IDS, tuple(names))
                case ["at", "commit", "rates"]:
                    fields["rate_type"] = RateSide.COMMIT_RATE
                case ["rolls", "over", part]:
                    fields["rollover_fraction"] = words.share(part)
                case ["billed", "to", contract]:
                    fields["invoice_contract_id"] = contract
                case ["contracts", *names]:
                    fields["applicable_contract_ids"] = tuple(names)
                case ["pays", "tag", tag]:
                    tags.append(tag)
                case ["pays", *product]:
                    products.append(" ".join(product))
                case ["specifier", *parts]:
                    specifiers.append(words.specifier(" ".join(parts)))
                case ["invoiced", amount, "on", day] | ["trued", "up", amount, "on", day]:
                    invoiced.append((amount, words.moment(day)))
                case [amount, "from", *span]:
                    amounts.append((amount, words.term(" ".join(span))))
                case _:
                    raise ValueError(f"a balance doesn't know {clause!r}")
        self.products.setdefault("Fixed", _fixed())
        segments = tuple(
            Segment(f"{name} #{number}", words.amount(amount, unit), start, end or datetime(2100, 1, 1, tzinfo=UTC))
            for number, (amount, (start, end)) in enumerate(amounts, 1)
        )
        return Balance(
            id=name,
            name=name,
            type=kind,
            product_id="Fixed",
            credit_type_id=unit,
            segments=segments,
            created_at=BEGINNING + timedelta(days=len(self.balances)),
            created_by="story",
            applicable_product_ids=tuple(products),
            applicable_product_tags=tuple(tags),
            specifiers=tuple(specifiers),
            invoice_schedule=_invoicing(name, words.currency(unit), invoiced) if invoiced else None,
            **fields,
        )

    def _dated(self, word: str, name: str, clauses: list[str]) -> None:
        """Add a scheduled charge or a discount to the contract that it is of."""
        unit, contract, dates = USD.id, "main", []
        for clause in clauses:
            match clause.split():
                case [code] if code in words.CURRENCY:
                    unit = words.CURRENCY[code].id
                case ["of", contract]:
                    pass
                case [amount, "on", day]:
                    dates.append((amount, words.moment(day)))
                case _:
                    raise ValueError(f"a {word} doesn't know {clause!r}")
        self.products.setdefault("Fixed", _fixed())
        kind = ScheduledCharge if word == "charge" else Discount
        made = kind(id=name, name=name, product_id="Fixed", schedule=_invoicing(name, unit, dates))
        its = self.contracts[contract]
        if isinstance(made, Discount):
            self.contracts[contract] = structs.replace(its, discounts=(*its.discounts, made))
        else:
            self.contracts[contract] = structs.replace(its, scheduled_charges=(*its.scheduled_charges, made))

    def _subscribe(self, name: str, clauses: list[str]) -> None:
        """Add a subscription to the contract that it is of."""
        its = self.contracts[next((clause[3:] for clause in clauses if clause.startswith("of ")), "main")]
        made = words.subscription(name, clauses, its)
        self.contracts[its.id] = structs.replace(its, subscriptions=(*its.subscriptions, made))

    def _serve(self, name: str, clauses: list[str]) -> None:
        """Add a professional service to the contract that it is of."""
        state = ProductState(name=name, created_at=BEGINNING, created_by="story")
        self.products[name] = Product(id=name, type=ProductType.PRO_SERVICE, initial=state)
        its = self.contracts[next((clause[3:] for clause in clauses if clause.startswith("of ")), "main")]
        made = words.service(name, clauses, self.cards[its.rate_card_id].fiat_credit_type_id)
        services = (*its.professional_services, made)
        self.contracts[its.id] = structs.replace(its, professional_services=services)

    def _ask_for_services(self, at: datetime, clauses: list[str]) -> None:
        """Schedule an invoice for services, all of one contract."""
        services = {one.id: (each, one) for each in self.contracts.values() for one in each.professional_services}
        named = [each.rpartition(" of ")[2].rpartition(" for ")[2] for each in clauses]
        its, _ = services[named[0]]
        number, unit = len(its.pro_service_invoices), self.cards[its.rate_card_id].fiat_credit_type_id
        lines = tuple(
            words.service_line(f"{its.id} services {number} {index}", clause, services[each][1], unit)
            for index, (clause, each) in enumerate(zip(clauses, named, strict=True))
        )
        made = ProServiceInvoice(id=f"{its.id} services {number}", issued_at=at, lines=lines)
        self.contracts[its.id] = structs.replace(its, pro_service_invoices=(*its.pro_service_invoices, made))

    def _entry(self, name: str, clauses: list[str]) -> LedgerEntry:
        amount, _, day, *number = clauses[0].split()
        balance = self.balances[name]
        return LedgerEntry(
            id=f"entry {len(self.entries)}",
            balance_id=name,
            segment_id=balance.segments[int(number[0][1:]) - 1 if number else 0].id,
            kind=EntryKind.MANUAL,
            amount=words.amount(amount, balance.credit_type_id),
            timestamp=words.moment(day),
        )

    def _seat(self, name: str, clauses: list[str]) -> None:
        """Turn the quantity of a subscription into seats: `seated Seats: by user, ann comes on 2026-02-10`."""
        (its,) = [each for each in self.contracts.values() if any(one.id == name for one in each.subscriptions)]
        changed = words.seated(next(one for one in its.subscriptions if one.id == name), clauses)
        some = tuple(changed if one.id == name else one for one in its.subscriptions)
        self.contracts[its.id] = structs.replace(its, subscriptions=some)

    def _issue(self, name: str, clauses: list[str]) -> None:
        """Move the date of an open invoice: `issue main 2026-03-01: on 2026-02-10`."""
        contract, day = name.split()
        date, start = words.moment(clauses[0].removeprefix("on ")), self.contracts[contract].starting_at
        found = [each.invoice for each in self.drafts(start) if each.invoice.type is InvoiceType.SCHEDULED]
        (its_id,) = [each.id for each in found if (each.contract_id, each.issued_at) == (contract, words.moment(day))]
        found = open_invoice(self.account(start), its_id, start)
        assert found is not None
        self.contracts[contract] = moved(found, date)

    def _rows(self, metric: BillableMetric, clauses: list[str]) -> Iterator[tuple[str, int, HourUsage]]:
        """Yield the same usage for every group key of the metric, as the meter does."""
        key, values = self.customer.id, {}
        for clause in clauses[1:]:
            match clause.split():
                case ["as", key]:
                    pass
                case pairs:
                    values |= words.values(pairs)
        *what, how, when = re.split(r" (on|daily|hourly) ", clauses[0])
        for instant in words.moments(how, when):
            for index, names in enumerate(metric.keys):
                yield metric.id, index, _row(metric, key, tuple(values.get(each) for each in names), instant, what[0])

    def account(self, at: datetime) -> Account:
        """Return the account as it stands at the instant."""
        final, awaited = items_on(self.contracts.values(), self.final.values())
        account = Account(
            customer=self.customer,
            relatives=tuple(self.relatives.values()),
            contracts=tuple(self.contracts.values()),
            rates={card: tuple(each for each in self.rates if each.rate_card_id == card) for card in self.cards},
            cards=self.cards,
            units={each.id: each for each in self.units.values()},
            products=self._sold(),
            metrics=self.metrics,
            balances=tuple(self.balances.values()),
            entries=tuple(self.entries),
            invoiced=frozenset(self.final),
            kept_balances=frozenset(self.balances),
            invoiced_items=final,
            awaited_items=awaited,
        )
        return with_rollovers(with_children(account, at), at)

    def _sold(self) -> dict[str, Product]:
        """Return the products that store/accounts.py would load: of rated ones those with a rate on its cards."""
        cards = {each.rate_card_id for each in self.contracts.values()}
        on_card = {each.product_id for each in self.rates if each.rate_card_id in cards}
        return {name: each for name, each in self.products.items() if each.type not in RATED or name in on_card}

    def drafts(self, at: datetime) -> list[Draft]:
        """Return the open invoices, priced from the usage that they need and nothing else."""
        return self.drafted(at).drafts

    def drafted(self, at: datetime) -> Drafted:
        """Return the open invoices, and what rolls over."""
        account = self.account(at)
        return drafted(account, self._metered(needs(account, at)), at)

    def _metered(self, wanted: Iterable[Need]) -> dict[str, list[HourUsage]]:
        """Return the usage that is needed, and nothing else."""
        given: dict[str, list[HourUsage]] = {}
        for need in wanted:
            rows = self.usage[usage_key(need.metric_id, need.group_key)]
            keys = self.relatives.get(need.relative_id, self.customer).keys
            given.setdefault(need.key, []).extend(
                row for row in rows if need.start_hour <= row.hour < need.end_hour and row.customer_key in keys
            )
        return given


def _invoicing(name: str, unit: str, dates: list[tuple[str, datetime]]) -> InvoiceSchedule:
    """Return the schedule of some (amount, day)s."""
    items = tuple(
        ScheduleItem(
            id=f"{name} item {number}",
            timestamp=day,
            amount=words.amount(amount, unit),
            quantity=Decimal(1),
            unit_price=words.amount(amount, unit),
        )
        for number, (amount, day) in enumerate(dates, 1)
    )
    return InvoiceSchedule(credit_type_id=unit, schedule_items=items)


def _card(name: str, unit: str) -> RateCard:
    return RateCard(id=name, name=name, created_at=BEGINNING, created_by="story", fiat_credit_type_id=unit)


def _fixed() -> Product:
    state = ProductState(name="Fixed", created_at=BEGINNING, created_by="story")
    return Product(id="Fixed", type=ProductType.FIXED, initial=state)


def _row(metric: BillableMetric, key: str, group: tuple[str | None, ...], instant: datetime, what: str) -> HourUsage:
    """Return one row of usage."""
    hour, at = hour_number(instant), (instant - EPOCH) // timedelta(microseconds=1)
    if metric.aggregation_type is Aggregation.UNIQUE:
        return HourUsage(key, group, hour, distinct=frozenset(what.split()))
    return HourUsage(key, group, hour, value=words.decimal(what), at=at, text="")
