"""Invented event files in the format of the REES46 marketplace data, with the segments known.

Every customer follows one of the `ARCHETYPES`; a truth file says which. The aggregate figures
follow those published for October 2019 (docs/sample-events.md), and the traps of the real files
are planted too. No row comes from a real file.

Most quantities are drawn with a Gaussian copula: archetype, customer, month and session each add
a part to a latent normal number, the sum is scaled to variance one, and a table of published
quantiles turns it into a count. So archetypes may differ while the total keeps its distribution.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from isal import igzip_threaded
from scipy.special import ndtr

from amazing_segments.event_files import COLUMNS

DAY = 86_400  # seconds
VIEW, CART, REMOVE, PURCHASE = range(4)
EVENT_TYPES = ("view", "cart", "remove_from_cart", "purchase")
BROWSE, CART_ONLY, BUY = range(3)  # what a session is for

# Quantiles as (probability, value): session and user sizes, seconds between two events, prices.
# Between two points the logarithm is interpolated. The points lie near the published ones of
# October 2019, moved so that the sample, after rounding and the archetypes' effects, has those.
SESSIONS_PER_USER = ((0.4882, 1), (0.70, 2), (0.80, 3), (0.9187, 7), (0.958, 10), (0.9915, 22),
                     (0.99915, 50), (1, 160))  # fmt: skip
EVENTS_PER_SESSION = ((0.40, 1), (0.59, 2), (0.695, 3), (0.795, 5), (0.916, 11), (0.958, 16),
                      (0.9912, 32), (0.9991, 71), (1, 400))  # fmt: skip
GAP_SECONDS = ((0, 2), (0.05, 8), (0.25, 22), (0.5, 40), (0.75, 74), (0.9, 130), (0.95, 190),
               (0.99, 480), (0.998, 2500), (1, 20_000))  # fmt: skip
PRICES = ((0, 0.88), (0.01, 10), (0.05, 33), (0.25, 87), (0.5, 172), (0.75, 345),
          (0.9, 650), (0.95, 870), (0.99, 1600), (1, 2574.07))  # fmt: skip

CART_LOGGING_STARTS = date(2019, 11, 8)  # before it most carts leave no event
LOGGED_BEFORE = {CART_ONLY: 0.22, BUY: 0.464}  # share of sessions whose carts are logged
LOGGED_AFTER = {CART_ONLY: 0.93, BUY: 0.93}
NO_PURCHASES_ON = date(2019, 11, 15)
PHONES_MOVE_ON = date(2019, 12, 2)
PHONES, PHONES_MOVED_TO = "electronics.smartphone", "construction.tools.light"

# Campaigns as (first day, days, lift of visits); they come back every year. Black Friday is
# reckoned from the calendar. A purchase is as much more likely again on these days.
CAMPAIGNS = (("01-01", 2, 1.15), ("02-12", 3, 1.2), ("02-21", 3, 1.35), ("03-05", 4, 1.4),
             ("04-10", 3, 1.15), ("11-11", 5, 1.3), ("11-16", 2, 2.3),
             ("12-20", 12, 1.2))  # fmt: skip
BLACK_FRIDAY_DAYS, BLACK_FRIDAY_LIFT = 4, 1.6
QUIET_MONTH = 0.3  # share of their visits that campaign buyers keep in a month with no campaign

# Share of visits by hour (UTC) of ordinary customers and of night browsers.
HOURS_DAY = np.array([1.2, 1.5, 3.5, 6.5, 8.3, 9.3, 10, 10.2, 10.3, 10.2, 9.9, 9.7, 9.8, 10.3, 11,
                      11.6, 11.6, 10.8, 8.6, 5.8, 3.4, 2, 1.3, 1.1])  # fmt: skip
HOURS_NIGHT = np.array([10, 9, 7, 4, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1,
                        0.1, 0.1, 0.2, 0.3, 1, 6, 10, 11])  # fmt: skip


@dataclass(frozen=True)
class Archetype:
    """The distributions of one kind of customer; rates are medians over its customers."""

    name: str
    share: float  # of the customers
    activity: float  # shift of the sessions a month, in standard deviations
    depth: float  # shift of the events a session
    buy: float  # purchases a session; for a one-off buyer one session buys, no other
    cart: float  # sessions that fill a cart and do not buy
    night: float  # share of sessions at night
    weekend: float  # share of sessions that wait for a weekend
    campaign: float  # share of sessions that wait for a campaign
    price: float  # shift of the price within a category
    repeat: float  # probability that the next view shows the same product again
    focus: float  # share of sessions in the customer's own category
    wander: float  # share of new views in a category that is not the session's
    taste: str  # which categories are sought, see `_taste`
    months: float  # mean months until the customer leaves; inf: does not leave
    drifts_to: str  # what a drifting customer becomes; empty: does not drift


# One line an archetype, the columns as in `Archetype`; "-" is an empty text.
ARCHETYPE_TABLE = """
loyal_high_spender     .038    1  .1  .33  .1 .04 .03  .1   .9 .38 .45 .08 premium     7 bargain_hunter
one_off_buyer          .033 -.45  .3    0 .02 .04 .03 .04   .1 .45  .9 .04 -           1 -
bargain_hunter         .085   .3  .4 .045 .05 .04 .04  .1 -2.2 .08 .55 .08 cheap     1.7 loyal_high_spender
window_shopper          .21 -.05 .05    0 .01 .04 .03 .02   .2 .08 .68 .48 -           1 cart_abandoner
cart_abandoner         .115  .05 .05 .004 .88 .03 .03 .04  .75  .5  .8 .03 -         1.2 window_shopper
smartphone_enthusiast  .227  .08 .05  .01 .03 .03 .03 .03  .25 .35 .97 .02 phones    1.4 loyal_high_spender
campaign_buyer          .06    0   0  .06 .08 .03 .01 .98  -.1 .35 .75 .05 large       6 bargain_hunter
lapsed_customer        .038   .7   0  .36 .08 .04 .03 .04    0 .34 .75 .05 -           1 -
night_browser          .105 -.05   0 .004 .03 .98 .03 .02    0 .28 .75 .05 computers 1.4 window_shopper
weekend_family_shopper .085  .05 .05 .008 .03 .03 .98 .03  -.1 .28 .85 .06 family      2 bargain_hunter
robot                     0    0   0    0   0   0   0   0    0 .05   0   1 -         inf -
"""  # noqa: E501


def _archetype(line: str) -> Archetype:
    words = ["" if word == "-" else word for word in line.split()]
    kinds = [f.type for f in fields(Archetype)]
    return Archetype(*(kind(word) for kind, word in zip(kinds, words, strict=True)))


*ARCHETYPES, ROBOT = map(_archetype, ARCHETYPE_TABLE.strip().splitlines())
NAMES = [a.name for a in (*ARCHETYPES, ROBOT)]
ROBOT_CODE = len(ARCHETYPES)
CHEAPER_BOUGHT = 0.35  # what is bought is cheaper than what is looked at, standard deviations
COMEBACK_SHARE = 0.0024  # of the sessions: the id comes back days later
DRIFT_SHARE = 0.04  # of the customers that may drift and stay long enough

# category_code, share of events in thousandths, median price, number of category ids. The largest
# shares are the published ones; the others fill the total to what is left.
CATEGORY_TABLE = """
electronics.smartphone 271 300 1|electronics.clocks 31 165 2|computers.notebook 27 600 1
electronics.video.tv 26 400 2|electronics.audio.headphone 26 75 1|appliances.kitchen.refrigerators 21 320 3
appliances.kitchen.washer 20 330 1|appliances.environment.vacuum 19 120 4|apparel.shoes 18 85 12
auto.accessories.player 12 75 1|electronics.telephone 9 25 2|apparel.shoes.keds 9 70 4
furniture.living_room.sofa 9 500 1|furniture.bedroom.bed 8 160 3|furniture.living_room.cabinet 8 260 2
computers.desktop 8 600 4|electronics.tablet 8 350 3|appliances.environment.air_heater 7 35 1
auto.accessories.alarm 6 120 1|appliances.kitchen.meat_grinder 5 75 1|accessories.bag 6 60 7
appliances.kitchen.microwave 5 90 1|appliances.environment.water_heater 5 100 1|appliances.iron 5 30 1
electronics.audio.subwoofer 5 100 1|appliances.kitchen.blender 5 55 1|sport.bicycle 5 260 5
kids.carriage 5 120 1|construction.tools.drill 5 80 2|auto.accessories.videoregister 4 120 1
appliances.environment.air_conditioner 4 230 1|construction.tools.saw 3 110 3|appliances.kitchen.oven 4 150 1
computers.components.videocards 4 320 1|appliances.sewing_machine 4 230 1|appliances.kitchen.kettle 4 35 3
appliances.kitchen.hood 4 75 1|appliances.kitchen.mixer 3 35 1|computers.peripherals.monitor 4 150 1
furniture.kitchen.table 3 115 4|construction.tools.welding 3 180 1|appliances.kitchen.grill 2 110 1
furniture.kitchen.chair 2 60 2|computers.peripherals.printer 3 140 2|computers.components.hdd 2 50 1
appliances.kitchen.dishwasher 3 380 1|construction.tools.pump 2 70 1|kids.toys 3 24 3
furniture.living_room.chair 2 180 2|appliances.kitchen.hob 3 210 1|construction.tools.light 2 10 3
computers.peripherals.mouse 2 22 1|apparel.shoes.sandals 1.5 35 2|appliances.personal.hair_cutter 2 25 1
computers.peripherals.keyboard 2 45 1|appliances.personal.scales 1.5 18 2|electronics.audio.acoustic 2 150 3
construction.tools.generator 1.5 200 2|kids.skates 1 90 1|computers.components.memory 1 50 1
accessories.wallet 1 40 1|electronics.camera.video 1 230 1|apparel.shoes.slipons 1 48 2
computers.components.motherboard 1 140 1|computers.components.power_supply 1 75 1|furniture.bedroom.pillow 1 16 1
kids.dolls 1 25 1|stationery.cartrige 1 11 1|apparel.costume 1 110 2|computers.components.cpu 1 230 1
auto.accessories.compressor 1 40 3|electronics.video.projector 1 400 1|furniture.bathroom.toilet 1 75 1
apparel.shoes.moccasins 0.7 75 2|kids.fmcg.diapers 0.8 13 1|appliances.kitchen.juicer 0.8 90 1
electronics.audio.microphone 0.7 25 1|appliances.ironing_board 0.7 32 1|computers.components.cooler 0.7 32 2
furniture.universal.light 0.6 300 1|medicine.tools.tonometer 0.6 50 1|appliances.kitchen.coffee_machine 1.2 250 1
appliances.kitchen.toster 0.6 35 2|furniture.bathroom.bath 0.6 300 1|apparel.underwear 0.5 22 1
appliances.kitchen.steam_cooker 0.5 38 1|accessories.umbrella 0.4 26 1|auto.accessories.radar 0.5 110 1
country_yard.furniture.hammok 0.4 180 1|apparel.dress 0.6 32 2|apparel.trousers 0.5 38 1
country_yard.cultivator 0.4 180 1|auto.accessories.parktronic 0.3 35 1|sport.trainer 0.5 380 2
kids.swing 0.4 230 1|computers.ebooks 0.4 128 1|auto.accessories.winch 0.2 450 1
furniture.bedroom.blanket 0.3 55 1|apparel.shoes.espadrilles 0.2 24 1|apparel.tshirt 0.5 30 1
construction.components.faucet 0.4 40 1|apparel.shoes.step_ins 0.2 44 1|electronics.camera.photo 0.5 520 1
sport.snowboard 0.3 250 2|sport.tennis 0.2 64 1|apparel.shoes.ballet_shoes 0.2 20 1|sport.ski 0.3 300 1
apparel.scarf 0.2 18 1|appliances.kitchen.coffee_grinder 0.3 24 1|apparel.jacket 0.4 60 1
electronics.audio.music_tools.piano 0.3 350 1|apparel.jeans 0.4 50 1|apparel.sock 0.1 12 1
apparel.skirt 0.2 22 1|apparel.shirt 0.3 28 1|appliances.personal.massager 0.4 60 1
apparel.jumper 0.3 36 1|apparel.shorts 0.1 22 1|apparel.belt 0.1 24 1|auto.accessories.anti_freeze 0.2 18 1
country_yard.lawn_mower 0.3 220 1|computers.peripherals.camera 0.4 45 1|computers.peripherals.joystick 0.3 55 1
computers.components.sound_card 0.1 60 1|computers.network.router 0.6 45 1|kids.bottles 0.1 12 1
electronics.calculator 0.1 14 1|stationery.paper 0.1 8 1|stationery.stapler 0.1 9 1
construction.tools.screw 0.4 60 1|construction.tools.painting 0.3 40 1|construction.tools.axe 0.1 25 1
furniture.living_room.shelving 0.5 60 1|furniture.bathroom.mirror 0.2 65 1|appliances.steam_cleaner 0.3 110 1
appliances.environment.fan 0.4 30 1|appliances.environment.climate 0.3 140 1
"""  # noqa: E501
UNCODED_IDS, UNCODED_SHARE = 425, 0.313
NO_BRAND_SHARE = 0.144  # of events

# Brand shares in hundredths within a category; what is left goes to small invented brands.
BRAND_TABLE = {
    PHONES: "samsung 36 apple 29 xiaomi 20 huawei 8.5 oppo 4.5 honor 0.5 nokia 0.4 meizu 0.4 "
    "vivo 0.3 realme 0.2 oneplus 0.1 inoi 0.1",
    "electronics.audio.headphone": "apple 36 xiaomi 15 samsung 9 jbl 9 sony 9 huawei 2",
    "electronics.clocks": "apple 22 casio 18 xiaomi 7 samsung 7 orient 6 huawei 3",
    "electronics.video.tv": "samsung 33 lg 19 artel 14 sony 9 haier 6",
    "electronics.tablet": "apple 30 samsung 28 huawei 12 lenovo 10",
    "computers.notebook": "acer 21 lenovo 20 hp 18 asus 15 apple 12 dell 6",
    "appliances.kitchen.refrigerators": "samsung 17 lg 14 bosch 8 indesit 13 artel 11 beko 8",
    "appliances.kitchen.washer": "samsung 18 lg 20 indesit 15 bosch 8 beko 9 artel 7",
    "appliances.environment.vacuum": "samsung 15 xiaomi 7 bosch 8 philips 8 karcher 6 lg 6",
    "construction.tools.drill": "bosch 22 makita 18",
    PHONES_MOVED_TO: "camelion 30 gauss 22 navigator 15",
    "apparel.shoes": "respect 12 rooman 8",
    "": "lucente 2.9 xiaomi 2.4 samsung 2.4 bosch 1.2 cordiant 1.5 sony 1.2 tefal 1 philips 1",
}
BRAND_COUNT = 3_445
BRAND_PRICE = {"apple": 1.15, "xiaomi": -0.35, "oppo": -0.1, "huawei": -0.1, "bosch": 0.2}
# How much likelier a purchase or a cart is than elsewhere, by category prefix.
CATEGORY_PULL = {PHONES: 1.7, "electronics.audio.headphone": 1.4, "apparel": 0.35, "furniture": 0.3,
                 "computers": 0.8, "": 0.7}  # fmt: skip


@dataclass(frozen=True)
class SampleEvents:
    """What was written: event files in month order, the truth file, rows over all files."""

    files: list[Path]
    truth: Path
    rows: int


@dataclass
class _Catalogue:
    """Products sorted by category and, within it, by price."""

    category: np.ndarray  # (products,) index of the category
    product_id: np.ndarray
    price: np.ndarray  # (products,) list price
    brand: np.ndarray  # (products,) text
    cumulative: np.ndarray  # (products,) popularity, cumulative over all
    category_id: np.ndarray  # (categories,) 19 digits
    code: np.ndarray  # (categories,) text, empty if there is none
    edges: np.ndarray  # (categories + 1,) of `cumulative`
    other_code: np.ndarray  # (products,) number of the second label, -1: none
    tastes: np.ndarray  # (archetypes + 1, categories) cumulative, row i in i..i+1
    pull: np.ndarray  # (categories,) how readily visitors buy


@dataclass
class _Users:
    """One entry a customer; robots come last."""

    user_id: np.ndarray
    archetype: np.ndarray  # at the end
    previous: np.ndarray  # before `changed`
    changed: np.ndarray  # month number, 0: never
    joined: np.ndarray  # month number
    join_day: np.ndarray  # days since the start of the month of joining
    leaves: np.ndarray  # days since the start of the window
    home: np.ndarray  # uniform number that picks the customer's own category
    z: np.ndarray  # (7, users) standard normal: activity, depth, buy, cart, habit, price, pace


@dataclass
class _Sessions:
    """Sessions in order of start; `_take` and `_concat` treat all fields alike."""

    user: np.ndarray
    start: np.ndarray  # seconds since the start of the window
    size: np.ndarray  # events
    aim: np.ndarray  # BROWSE, CART_ONLY or BUY
    carts: np.ndarray  # cart events before each purchase or by themselves
    orders: np.ndarray  # purchases, or groups of carts
    category: np.ndarray
    price: np.ndarray  # latent normal
    repeat: np.ndarray  # probability
    pace: np.ndarray  # factor on the gaps
    comeback: np.ndarray  # seconds added to one gap, mostly 0
    uid: np.ndarray  # (sessions, 16) bytes of the session id


@dataclass
class _Events:
    """Events that wait for their day; `session` points into a `_Names`."""

    time: np.ndarray
    type: np.ndarray
    product: np.ndarray
    session: np.ndarray


def _take(rows: _Sessions | _Events, index: np.ndarray | slice) -> _Sessions | _Events:
    return type(rows)(*(getattr(rows, f.name)[index] for f in fields(rows)))


def _concat(parts: Sequence[_Sessions | _Events]) -> _Sessions | _Events:
    kind = type(parts[0])
    return kind(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(kind)))


def _quantile(table: tuple, p: np.ndarray) -> np.ndarray:
    """Values of a quantile table at probabilities `p`; below the first point its value holds."""
    x, y = np.array(table).T
    return np.exp(np.interp(p, x, np.log(y)))


def _column(name: str) -> np.ndarray:
    return np.array([getattr(a, name) for a in (*ARCHETYPES, ROBOT)], dtype=np.float32)


def _probability(name: str, archetype: np.ndarray, noise: np.ndarray, part: str) -> np.ndarray:
    """Rank of archetype's shift plus normal `noise` among all: uniform in 0..1 over the total.

    `part` says over what the archetypes are counted: "users" or "sessions". `noise` has variance 1.
    """
    shift = _column(name)
    weight = np.array(
        [a.share * (np.exp(a.activity) if part == "sessions" else 1) for a in ARCHETYPES]
    )
    grid = np.linspace(-8, 8, 1601)
    rank = (ndtr(grid[:, None] - shift[:-1]) * (weight / weight.sum())).sum(1)
    return np.interp(shift[archetype] + noise, grid, rank)


def _months(start: date, count: int) -> list[date]:
    """First days of `count` months from `start`, and of the one after."""
    return [date(start.year + (start.month - 1 + i) // 12, (start.month - 1 + i) % 12 + 1, 1)
            for i in range(count + 1)]  # fmt: skip


def campaign_lift(day: date) -> float:
    """Factor on the visits of a day, 1 if there is no campaign."""
    thanksgiving = 22 + (3 - date(day.year, 11, 22).weekday()) % 7
    days = [(f"{day.year}-{text}", n, lift) for text, n, lift in CAMPAIGNS]
    days.append((f"{day.year}-11-{thanksgiving + 1:02d}", BLACK_FRIDAY_DAYS, BLACK_FRIDAY_LIFT))
    lifts = [lift for text, n, lift in days if 0 <= (day - date.fromisoformat(text)).days < n]
    return max(lifts, default=1.0)


# --------------------------------------------------------------------------------- catalogue


def _taste(kind: str, code: str, price: float) -> float:
    """How much more an archetype of this taste seeks a category than others do."""
    family = ("apparel", "furniture", "kids", "sport", "accessories", "appliances.kitchen")
    wanted = {
        "phones": code == PHONES,
        "computers": code.startswith("computers"),
        "large": code.startswith(("appliances", "electronics.video", "electronics.audio")),
        "family": code.startswith(family),
        "premium": price > 250 and code != PHONES,
        "cheap": price < 90,
    }.get(kind, False)
    strength = {"phones": 200, "cheap": 12, "family": 20, "computers": 15, "large": 15}
    return strength.get(kind, 6) if wanted else 1


def _brands(
    rng: np.random.Generator, code: list[str], category: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Brand of each product; the largest deficit is served first so that shares of events hold."""
    parts = ["al", "be", "co", "du", "el", "fi", "go", "ha", "in", "jo", "ka", "lu", "mo", "ni"]
    names = sorted({a + b + c for a in parts for b in parts for c in [*parts, ""]})
    names = np.array(names, dtype=object)[rng.permutation(len(names))][:BRAND_COUNT]
    if len(names) < BRAND_COUNT:
        names = np.concatenate([names, [f"{n}x" for n in names[: BRAND_COUNT - len(names)]]])
    rank = (len(names) ** rng.random(len(category))).astype(int) - 1  # about 1 / rank
    brand = names[rank.clip(0, len(names) - 1)]
    order = np.argsort(-weight, kind="stable")
    for key, text in BRAND_TABLE.items():
        words = text.split()
        share = np.array(words[1::2], dtype=float) / 100
        if key == PHONES:
            share /= share.sum()  # no small brands: every telephone can be told from a lamp
        labels = np.array([*words[::2], ""], dtype=object)
        share = np.append(share, max(0.0, 1 - share.sum()))
        own = np.isin(category, [i for i, c in enumerate(code) if c == key])
        if key == "":
            own = ~np.isin(category, [i for i, c in enumerate(code) if c and c in BRAND_TABLE])
        products = order[own[order]]
        head, tail = products[:3000], products[3000:]
        given = np.zeros(len(labels))
        for p in head:
            best = int(np.argmax(share * weight[head].sum() - given))
            given[best] += weight[p]
            if labels[best]:
                brand[p] = labels[best]
        pick = rng.choice(len(labels), len(tail), p=share / share.sum())
        brand[tail] = np.where(labels[pick] == "", brand[tail], labels[pick])
    named = {w for text in BRAND_TABLE.values() for w in text.split()[::2]}
    small = rng.permutation(np.flatnonzero(~np.isin(brand, list(named))))
    cumulative = np.cumsum(weight[small]) / weight.sum()
    brand[small[cumulative < NO_BRAND_SHARE]] = ""
    rest = small[cumulative >= NO_BRAND_SHARE]
    brand[rest[: max(2, len(rest) // 2000)]] = "nan"  # a value, not a missing one
    return brand


def _catalogue(rng: np.random.Generator, n_products: int) -> _Catalogue:
    rows = [r.split() for r in CATEGORY_TABLE.replace("\n", "|").strip("|").split("|")]
    code, share, median = [], [], []
    for name, events, price, ids in rows:
        parts = 0.6 ** np.arange(int(ids))
        for part in parts / parts.sum():
            code.append(name)
            share.append(float(events) * part)
            median.append(float(price))
    coded = np.array(share) / sum(share) * (1 - UNCODED_SHARE)
    # the published share of the largest must hold whatever the rest adds up to
    listed = np.array(share) / 1000
    small = listed < 0.0175
    coded = np.where(
        small, listed * (1 - UNCODED_SHARE - listed[~small].sum()) / listed[small].sum(), listed
    )
    tail = 1 / (np.arange(UNCODED_IDS) + 4) ** 1.05
    share = np.concatenate([coded, tail / tail.sum() * UNCODED_SHARE])
    code += [""] * UNCODED_IDS
    median = np.concatenate([median, np.exp(rng.normal(np.log(75), 1.1, UNCODED_IDS))])
    n_categories = len(code)

    spread = share**0.5
    count = np.maximum(3, (spread / spread.sum() * n_products)).astype(int)
    category = np.repeat(np.arange(n_categories), count)
    rank = np.arange(len(category)) - np.repeat(np.cumsum(count) - count, count)
    weight = 1 / (rank + 1.5) ** 1.45
    weight *= (share / np.bincount(category, weight))[category]

    brand = _brands(rng, code, category, weight)
    log_price = np.log(median)[category] + rng.normal(0, 0.75, len(category))
    log_price += np.array([BRAND_PRICE.get(b, 0) for b in brand])
    order = np.lexsort((log_price, category))
    weight, brand, log_price = weight[order], brand[order], log_price[order]
    by_price = np.argsort(log_price, kind="stable")
    level = np.empty(len(category))
    level[by_price] = np.cumsum(weight[by_price]) - weight[by_price] / 2
    price = np.round(_quantile(PRICES, level), 2)
    free = rng.permutation(len(category))
    free = free[weight[free] < 2e-4]
    price[free[np.cumsum(weight[free]) < 0.0018]] = 0
    other = np.full(len(category), -1)
    twice = np.flatnonzero(rng.random(len(category)) < 0.008)
    other[twice] = np.arange(len(twice))

    base = np.array([[_taste(a.taste, c, m) for c, m in zip(code, median, strict=True)]
                     for a in (*ARCHETYPES, ROBOT)])  # fmt: skip
    events = np.array([a.share * np.exp(0.9 * a.activity + 0.5 * a.depth) for a in ARCHETYPES])
    events /= events.sum()
    wanted = share.copy()
    for _ in range(60):  # until the archetypes together have the published shares
        tastes = base * wanted
        tastes /= tastes.sum(1, keepdims=True)
        wanted *= share / (events @ tastes[:-1])
    cumulative = np.cumsum(weight / weight.sum())
    tastes = np.cumsum(tastes, 1)
    tastes = tastes / tastes[:, -1:] + np.arange(len(base))[:, None]
    pull = [next(v for k, v in CATEGORY_PULL.items() if c.startswith(k)) for c in code]
    return _Catalogue(
        category=category,
        product_id=rng.permutation(1_000_000 + np.arange(len(category)) * 331 + 7),
        price=price,
        brand=brand,
        cumulative=cumulative,
        category_id=2_053_013_550_000_000_000
        + rng.choice(200_000_000_000, n_categories, replace=False) * 1_000_003 % 10**17,
        code=np.array(code, dtype=object),
        edges=np.append(0, cumulative[np.cumsum(count) - 1]),
        other_code=other,
        tastes=tastes.ravel(),
        pull=np.array(pull, dtype=np.float32),
    )


def _labels(c: _Catalogue, rng: np.random.Generator, moved: bool) -> pa.Array:
    """Return the middle of a line for each product, then on sale, then second labels.

    A sale lowers the price of two products in five. The second label of a product is without a
    code, or with that of another category.
    """
    code, ids = c.code[c.category], c.category_id[c.category]
    if moved:
        code = np.where(code == PHONES, PHONES_MOVED_TO, code)
        ids = np.where(c.code[c.category] == PHONES, c.category_id.max() + 1_000_003, ids)
    n = len(code)
    price = c.price * np.where(rng.random(n) < 0.3, rng.uniform(0.9, 1.1, n), 1)
    price = np.minimum(price, PRICES[-1][1])
    sale = price * np.where(rng.random(n) < 0.4, rng.uniform(0.75, 0.95, n), 1)
    two = np.flatnonzero(c.other_code >= 0)
    near = code[(two + 997) % n]
    second = np.where((c.other_code[two] % 3 == 0) & (code[two] != PHONES_MOVED_TO), near, "")
    rows = zip(
        np.concatenate([c.product_id, c.product_id, c.product_id[two]]),
        np.concatenate([ids, ids, ids[two]]),
        np.concatenate([code, code, second]),
        np.concatenate([c.brand, c.brand, c.brand[two]]),
        np.concatenate([price, sale, price[two]]),
        strict=True,
    )
    return pa.array([f"{p},{i},{k},{b},{x:.2f}," for p, i, k, b, x in rows])


# -------------------------------------------------------------------------------- population


def _population(
    rng: np.random.Generator, n: int, months: list[date]
) -> tuple[_Users, list[np.ndarray]]:
    """Draw customers, and the number of sessions of each in each month."""
    span = len(months) - 1
    lengths = np.array([(b - a).days for a, b in pairwise(months)])
    offsets = np.append(0, np.cumsum(lengths))
    robots = 1 + n // 200_000
    share = np.array([a.share for a in ARCHETYPES])
    archetype = rng.choice(len(ARCHETYPES), n, p=share / share.sum()).astype(np.int8)
    kind = {name: i for i, name in enumerate(NAMES)}

    # One in five customers is there in the first of seven months: the later ones bring fewer new.
    arrivals = np.append(1, np.full(span - 1, 0.73))
    joined = np.searchsorted(np.cumsum(arrivals) / arrivals.sum(), rng.random(n)).astype(np.int8)
    campaign = np.array([any(campaign_lift(a + timedelta(d)) > 1 for d in range((b - a).days))
                         for a, b in pairwise(months)])  # fmt: skip
    waits = (
        (archetype == kind["campaign_buyer"]) & ~campaign[joined] & (rng.random(n) > QUIET_MONTH)
    )
    if campaign.any():
        joined[waits] = rng.choice(np.flatnonzero(campaign), waits.sum())
    lapsed = archetype == kind["lapsed_customer"]
    early = max(1, round(span * 0.57))
    joined[lapsed] = rng.integers(0, early, lapsed.sum())

    z = rng.standard_normal((7, n), dtype=np.float32)
    previous, changed = archetype.copy(), np.zeros(n, dtype=np.int8)
    target = np.array([kind.get(a.drifts_to, -1) for a in ARCHETYPES])
    drifts = (target[archetype] >= 0) & (joined <= span - 2) & (z[0] > 0)
    drifts &= rng.random(n) < 2 * DRIFT_SHARE
    changed[drifts] = rng.integers(joined[drifts] + 1, span) if drifts.any() else 0
    archetype[drifts] = target[previous[drifts]]

    stay = rng.standard_exponential(n) * _column("months")[archetype] * 30 + 1
    counts = []
    for month in range(span):
        now = np.where(month < changed, previous, archetype)
        noise = np.sqrt(0.75) * z[0] + np.sqrt(0.25) * rng.standard_normal(n, dtype=np.float32)
        visits = np.ceil(
            _quantile(SESSIONS_PER_USER, _probability("activity", now, noise, "users")) - 1e-6
        )
        counts.append(visits.astype(np.int16))
    first = np.choose(joined, counts)
    room = lengths[joined] * 0.85
    join_day = rng.random(n) ** 1.5 * room / np.sqrt(first)
    join_day[np.isin(archetype, [kind["campaign_buyer"], kind["weekend_family_shopper"]])] = 0
    join_day[lapsed] = rng.random(lapsed.sum()) * room[lapsed] * (0.15 if span == 1 else 0.5)
    begins = offsets[joined] + join_day
    stay[lapsed] = (12 if span == 1 else 50) * rng.uniform(0.4, 1, lapsed.sum())
    leaves = np.where(changed > 0, offsets[-1], begins + stay)
    for month in range(span):
        part = np.clip((leaves - offsets[month]) / lengths[month], 0, 1)
        part *= np.where((archetype == kind["campaign_buyer"]) & ~campaign[month], QUIET_MONTH, 1)
        more = np.floor((counts[month] - 1) * part + rng.random(n)).astype(np.int16)
        more[month == changed] = np.maximum(more, 1)[month == changed]
        counts[month] = np.where(month < joined, 0, np.where(month == joined, counts[month], more))
        more_robots = np.zeros(robots, dtype=np.int16)  # planted session by session
        counts[month] = np.append(counts[month], more_robots)

    def extend(values: np.ndarray, fill: float) -> np.ndarray:
        return np.append(values, np.full(robots, fill, dtype=values.dtype))

    total = n + robots
    ids = 410_000_000 + (np.arange(total) + rng.integers(2**20)) * 104_729 % 199_999_991
    return _Users(
        user_id=ids,
        archetype=extend(archetype, ROBOT_CODE),
        previous=extend(previous, ROBOT_CODE),
        changed=extend(changed, 0),
        joined=extend(joined, 0),
        join_day=extend(join_day, 0),
        leaves=extend(leaves, np.inf),
        home=rng.random(total),
        z=np.concatenate([z, np.zeros((7, robots), np.float32)], axis=1),
    ), counts


def _write_truth(users: _Users, months: list[date], path: Path) -> None:
    drifted = users.changed > 0
    names = np.array(NAMES, dtype=object)
    days = np.array(months, dtype="datetime64[s]")[users.changed]
    order = np.argsort(users.user_id)
    table = pa.table(
        {
            "user_id": pa.array(users.user_id, pa.int64()),
            "archetype": pa.array(names[users.archetype], pa.string()),
            "previous_archetype": pa.array(names[users.previous], pa.string(), mask=~drifted),
            "changed_at": pa.array(days, pa.timestamp("s"), mask=~drifted),
        }
    )
    pq.write_table(table.take(pa.array(order)), path)


# ---------------------------------------------------------------------------------- sessions


def _start_times(
    rng: np.random.Generator, u: _Users, user: np.ndarray, kind: np.ndarray, number: int,
    months: list[date],
) -> np.ndarray:  # fmt: skip
    """Seconds since the start of the window, within the days a customer is there."""
    first, length = months[number], (months[number + 1] - months[number]).days
    offset = (first - months[0]).days
    days = [first + timedelta(d) for d in range(length)]
    lift = np.array([campaign_lift(d) for d in days])
    usual = lift * [1.08 if d.weekday() >= 4 else 1.0 for d in days]
    weekend = lift * [d.weekday() >= 5 for d in days]
    campaign = np.where(lift > 1, lift, 0)
    since = np.where(u.joined[user] == number, np.floor(u.join_day[user]), 0).astype(int)
    until = np.clip(np.ceil(u.leaves[user] - offset), since + 1, length).astype(int)
    habit = u.z[4, user] * 0.5
    odds = rng.random(len(user), dtype=np.float32)

    def chance(name: str) -> np.ndarray:
        p = np.clip(_column(name), 1e-4, 0.999)[kind]
        return 1 / (1 + np.exp(-(np.log(p / (1 - p)) + habit)))

    to_weekend = odds < chance("weekend")
    to_campaign = ~to_weekend & (odds > 1 - chance("campaign"))
    day = np.zeros(len(user), dtype=int)
    missing = np.ones(len(user), dtype=bool)
    for weights, chosen in ((weekend, to_weekend), (campaign, to_campaign), (usual, True)):
        steps = np.append(0, np.cumsum(weights))
        low, high = steps[since], steps[until]
        pick = missing & chosen & (high > low)  # no such day while the customer is there: usual
        aim = low[pick] + rng.random(pick.sum()) * (high - low)[pick]
        day[pick] = np.minimum(np.searchsorted(steps, aim, side="right") - 1, length - 1)
        missing &= ~pick
    at_night = rng.random(len(user), dtype=np.float32) < chance("night")
    hour = np.empty(len(user), dtype=int)
    for profile, chosen in ((HOURS_NIGHT, at_night), (HOURS_DAY, ~at_night)):
        steps = np.cumsum(profile) / profile.sum()
        hour[chosen] = np.searchsorted(steps, rng.random(chosen.sum()))
    return (offset + day) * DAY + hour * 3600 + rng.integers(0, 3600, len(user))


def _month_sessions(
    rng: np.random.Generator, c: _Catalogue, u: _Users, counts: np.ndarray, number: int,
    months: list[date],
) -> _Sessions:  # fmt: skip
    """All sessions that start in a month."""
    user = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    n = len(user)
    end = (months[number + 1] - months[0]).days * DAY
    kind = np.where(number < u.changed, u.previous, u.archetype)[user].astype(np.int64)

    def normal() -> np.ndarray:
        return rng.standard_normal(n, dtype=np.float32)

    def uniform() -> np.ndarray:
        return rng.random(n, dtype=np.float32)

    start = _start_times(rng, u, user, kind, number, months)
    # A few sessions must straddle the end of the month, however small the sample.
    straddle = rng.choice(n, min(n, max(3, round(n * 0.0003))), replace=False)
    start[straddle] = end - rng.integers(3, 40, len(straddle))

    rows = c.tastes.reshape(len(NAMES), -1)
    own = uniform() < np.clip(_column("focus")[kind] + 0.12 * u.z[5, user], 0, 0.99)
    pick = np.where(own, u.home[user], rng.random(n)) * (1 - 1e-9)
    category = np.searchsorted(c.tastes, kind + pick, side="right") - kind * rows.shape[1]
    category = category.clip(0, rows.shape[1] - 1).astype(np.int16)

    # Conversion: the archetype's rate times the customer's own factor and the category's pull.
    days = [months[0] + timedelta(d) for d in range(end // DAY)]
    day = start // DAY
    lift = np.array([campaign_lift(d) for d in days])[day]
    waiting = np.where(kind == NAMES.index("campaign_buyer"), np.where(lift > 1, 2.6, 0.35), 1)
    factor = c.pull[category] ** 0.7 * lift * waiting
    p_buy = np.minimum(_column("buy")[kind] * np.exp(0.4 * u.z[2, user]) * factor, 0.9)
    p_cart = np.minimum(
        _column("cart")[kind] * np.exp(0.15 * u.z[3, user]) * c.pull[category] ** 0.2, 0.95
    )
    luck = uniform()
    aim = np.where(luck < p_buy, BUY, np.where(luck < p_buy + p_cart, CART_ONLY, BROWSE))
    once = (u.archetype[user] == NAMES.index("one_off_buyer")) & (u.joined[user] == number)
    drawn_last = np.cumsum(counts)[user] - 1  # times are random, so any session may be the one
    aim[once & (drawn_last == np.arange(n))] = BUY

    logging = np.array([d >= CART_LOGGING_STARTS for d in days])[day]
    buys = aim == BUY
    before = np.where(buys, LOGGED_BEFORE[BUY], LOGGED_BEFORE[CART_ONLY])
    after = np.where(buys, LOGGED_AFTER[BUY], LOGGED_AFTER[CART_ONLY])
    p_log = np.where(logging, after, before)
    logged = uniform() < p_log
    aim[~logged & (aim == CART_ONLY)] = BROWSE
    more = np.where(
        aim == BUY, np.minimum(rng.geometric(0.92, n), 6), np.minimum(rng.geometric(0.72, n), 30)
    )
    carts = np.where((aim > BROWSE) & logged, more, 0).astype(np.int16)
    orders = np.where(
        aim > BROWSE, np.minimum(rng.geometric(np.where(aim == BUY, 0.86, 0.58)), 8), 0
    )

    noise = np.sqrt(0.12) * u.z[1, user] + np.sqrt(0.88) * normal()
    rank = _probability("depth", kind, noise, "sessions")
    size = np.ceil(_quantile(EVENTS_PER_SESSION, rank) - 1e-6).astype(np.int16)
    block = 1 + carts + (aim == BUY)
    size += np.where(aim > BROWSE, orders * block - 1, 0).astype(np.int16)
    size[straddle] = np.maximum(size[straddle], 6)
    comeback = np.where(
        uniform() < COMEBACK_SHARE, rng.standard_exponential(n) * 4.5 * DAY + DAY, 0
    )
    noise = np.sqrt(0.12) * u.z[5, user] + np.sqrt(0.28) * normal()
    sessions = _Sessions(
        user=user,
        start=start,
        size=size,
        aim=aim.astype(np.int8),
        carts=carts,
        orders=orders.astype(np.int16),
        category=category,
        price=noise,
        repeat=np.clip(_column("repeat")[kind] + 0.06 * u.z[4, user], 0.02, 0.9).astype(np.float32),
        pace=np.exp(0.2 * u.z[6, user] + 0.45 * normal()) * np.where(size <= 3, 1.6, 0.95),
        comeback=np.minimum(comeback, 60 * DAY).astype(np.int64),
        uid=rng.integers(0, 256, (n, 16), dtype=np.uint8),
    )
    if number == 0:
        sessions = _concat(
            [sessions, _robot_sessions(rng, np.flatnonzero(u.archetype == ROBOT_CODE))]
        )
    return _take(sessions, np.argsort(sessions.start, kind="stable"))


def _robot_sessions(rng: np.random.Generator, robots: np.ndarray) -> _Sessions:
    """Four sessions of 510 to 900 events on one day for each robot, seconds apart."""
    user = np.repeat(robots, 4).astype(np.int32)
    n = len(user)
    zero = np.zeros(n, dtype=np.int16)
    return _Sessions(
        user=user,
        start=11 * DAY + np.tile(np.arange(4), len(robots)) * 14_400 + rng.integers(0, 3600, n),
        size=rng.integers(510, 900, n).astype(np.int16),
        aim=zero.astype(np.int8),
        carts=zero,
        orders=zero,
        category=zero,
        price=zero.astype(np.float32),
        repeat=zero.astype(np.float32),
        pace=np.full(n, 0.05, dtype=np.float32),
        comeback=zero.astype(np.int64),
        uid=rng.integers(0, 256, (n, 16), dtype=np.uint8),
    )


def _session_events(
    rng: np.random.Generator, c: _Catalogue, u: _Users, s: _Sessions, month: int,
    remove_from_cart: bool,
) -> _Events:  # fmt: skip
    """Events of sessions; `session` is the position in `s`."""
    session = np.repeat(np.arange(len(s.user), dtype=np.int32), s.size)
    n = len(session)
    first = np.cumsum(s.size, dtype=np.int64) - s.size
    place = (np.arange(n) - first[session]).astype(np.int16)

    # A session holds `orders` blocks of view, carts, purchase from a random place on.
    buys = s.aim == BUY
    block = (1 + s.carts + buys).astype(np.int16)
    length = np.where(s.aim > BROWSE, s.orders * block, 0)
    begin = (rng.random(len(s.user)) ** 2 * (s.size - length + 1)).astype(np.int16)
    place_in = place - begin[session]
    inside = (place_in >= 0) & (place_in < length[session])
    step = np.where(inside, place_in % block[session], 0)
    events = np.where(step == 0, VIEW, CART).astype(np.int8)
    last = inside & (step == block[session] - 1)
    events[last & buys[session]] = PURCHASE
    if remove_from_cart:
        taken = last & (s.carts[session] > 1) & ~buys[session]
        events[taken & (rng.random(n) < 0.6)] = REMOVE

    # The same product again: in a block always, after it nearly always, else by habit.
    stays = rng.random(n, dtype=np.float32) < s.repeat[session]
    after = (place_in == length[session]) & (length[session] > 0)
    stays = np.where(after, rng.random(n, dtype=np.float32) < 0.93, stays)
    same = (place > 0) & np.where(inside, step > 0, stays)
    source = np.maximum.accumulate(np.where(same, 0, np.arange(n)))
    fresh = np.flatnonzero(~same)
    owner = session[fresh]
    category = s.category[owner].astype(np.int64)
    kind = np.where(month < u.changed, u.previous, u.archetype)[s.user]
    away = rng.random(len(fresh), dtype=np.float32) < _column("wander")[kind[owner]]
    # elsewhere: any category, by its popularity
    elsewhere = np.searchsorted(c.edges, rng.random(away.sum()), side="right") - 1
    category[away] = elsewhere.clip(0, len(c.code) - 1)
    noise = s.price[owner] + np.sqrt(0.60) * rng.standard_normal(len(fresh), dtype=np.float32)
    bought = (inside & buys[session])[fresh]
    noise[bought] -= CHEAPER_BOUGHT
    level = _probability("price", kind[owner], noise, "sessions")
    low, high = c.edges[category], c.edges[category + 1]
    found = np.searchsorted(c.cumulative, low + level * (high - low) * (1 - 1e-7), side="right")
    products = np.zeros(n, dtype=np.int32)
    products[fresh] = np.minimum(found, len(c.cumulative) - 1)
    products = products[source]

    gap = _quantile(GAP_SECONDS, rng.random(n)) * s.pace[session]
    gap *= np.where(step > 0, np.where(events == PURCHASE, 1.6, np.where(step == 1, 0.5, 0.12)), 1)
    gap[first] = 0
    back = np.flatnonzero((s.comeback > 0) & (s.size > 1))
    gap[first[back] + 1 + (rng.random(len(back)) * (s.size[back] - 1)).astype(int)] += s.comeback[
        back
    ]
    elapsed = np.cumsum(gap)
    time = s.start[session] + (elapsed - elapsed[first][session]).astype(np.int64)
    return _Events(time=time, type=events, product=products, session=session)


# ------------------------------------------------------------------------------------- lines


def _session_text(ids: np.ndarray, uid: np.ndarray) -> pa.Array:
    """`user_id,UUID` and the end of line, one a session; a UUID of zeros is written empty."""
    n = len(ids)
    digits = np.frombuffer(bytes(range(256)).hex().encode(), dtype=np.uint8).reshape(256, 2)
    empty = ~uid.any(1)
    raw = uid.copy()
    raw[:, 6] = raw[:, 6] & 15 | 64  # version 4, variant 1
    raw[:, 8] = raw[:, 8] & 63 | 128
    text = digits[raw].reshape(n, 32)
    line = np.full((n, 37), ord("-"), dtype=np.uint8)
    line[:, 36] = ord("\n")
    line[:, 0:8], line[:, 9:13], line[:, 14:18] = text[:, 0:8], text[:, 8:12], text[:, 12:16]
    line[:, 19:23], line[:, 24:36] = text[:, 16:20], text[:, 20:32]
    offsets = pa.py_buffer(np.arange(0, 37 * n + 1, 37, dtype=np.int32))
    uuid = pa.Array.from_buffers(pa.string(), n, [None, offsets, pa.py_buffer(line)])
    if empty.any():
        uuid = pc.if_else(pa.array(empty), "\n", uuid)
    return pc.binary_join_element_wise(pa.array(ids).cast(pa.string()), uuid, ",")


def _plant_duplicates(rng: np.random.Generator, e: _Events) -> _Events:
    """Repeat some rows exactly: mostly carts, a few in bursts, and a few purchases."""
    share = np.array([0.0002, 0.007, 0.005, 0.0012])[e.type]
    copies = (rng.random(len(e.type)) < share).astype(int)
    twice = np.flatnonzero(copies)
    copies[twice] = np.minimum(rng.geometric(0.85, len(twice)), 40)
    burst = twice[(rng.random(len(twice)) < 0.01) & (e.type[twice] == CART)]
    copies[burst] = rng.integers(10, 60, len(burst))
    return _take(e, np.repeat(np.arange(len(copies)), 1 + copies))


def _plant_disorder(rng: np.random.Generator, order: np.ndarray, at_least: int) -> None:
    """Move a few rows to the place of a neighbour, in place."""
    if len(order) > 40:
        for i in rng.integers(0, len(order) - 20, at_least + rng.binomial(len(order), 2e-6)):
            order[[i, i + 15]] = order[[i + 15, i]]


def _days(
    rng: np.random.Generator, c: _Catalogue, u: _Users, counts: list[np.ndarray],
    months: list[date], remove_from_cart: bool,
) -> Iterator[tuple[date, _Events, np.ndarray, np.ndarray]]:  # fmt: skip
    """Day by day: events in order of time, and the user and id of their sessions.

    Events after midnight wait for their day, and for their month: so a session that straddles
    the end of a month goes on in the next file.
    """
    waiting: tuple | None = None
    for number, first in enumerate(months[:-1]):
        sessions = _month_sessions(rng, c, u, counts[number], number, months)
        counts[number] = np.empty(0)
        begin = (first - months[0]).days
        length = (months[number + 1] - first).days
        cuts = np.searchsorted(sessions.start, (begin + np.arange(length + 1)) * DAY)
        for d in range(length):
            day = first + timedelta(d)
            s = _take(sessions, slice(cuts[d], cuts[d + 1]))
            shared = rng.random(len(s.user)) < 4e-5
            if d % 10 == 5:
                shared[len(shared) // 2 :][:1] = True  # at least three a month
            shared[:1] = False
            s.uid[shared] = s.uid[np.flatnonzero(shared) - 1]
            e = _session_events(rng, c, u, s, number, remove_from_cart)
            e = _plant_duplicates(rng, e)
            user, uid = s.user, s.uid
            if waiting is not None:
                late, late_user, late_uid = waiting
                e.session += len(late_user)
                e = _concat([late, e])
                user, uid = np.concatenate([late_user, user]), np.concatenate([late_uid, uid])
            later = e.time >= (begin + d + 1) * DAY
            kept, back = np.unique(e.session[later], return_inverse=True)
            late = _take(e, later)
            late.session = back.astype(np.int32)
            waiting = (late, user[kept], uid[kept])
            e = _take(e, ~later)
            if day == NO_PURCHASES_ON:
                e = _take(e, e.type != PURCHASE)
            if d % 10 == 7 and len(e.time):  # a row without session
                i = rng.integers(len(e.time))
                user = np.append(user, user[e.session[i]])
                uid = np.concatenate([uid, np.zeros((1, 16), np.uint8)])
                e.session[i] = len(user) - 1
            order = np.lexsort((e.session, e.time))
            _plant_disorder(rng, order, int(d % 15 == 9))
            yield day, _take(e, order), u.user_id[user], uid


def write_sample_events(
    users: int,
    start: date,
    months: int,
    seed: int,
    out: Path | str,
    remove_from_cart: bool = False,
    force: bool = False,
) -> SampleEvents:
    """Write one gzip file a month and `truth.parquet`; the same arguments give the same bytes.

    Args:
        users: customers that appear in the window, each with one event or more. Robots (one, and
            one more for each 200,000 customers) come on top.
        start: first day of the first month.
        months: number of months; they are written one after the other, memory does not grow
            with them.
        seed: a number of 0 or more.
        out: directory, made if missing.
        remove_from_cart: some carts are emptied again, as in the publisher's other data sets.
        force: replace an earlier sample in `out`, all its months; other event files are never
            deleted.

    Returns:
        The files, the truth file and the number of rows. The truth has one row a user: `user_id`
        (int64), `archetype` at the end of the window, `previous_archetype` and `changed_at`
        (UTC), both null unless the customer drifted.

    Raises:
        ValueError: a number out of range, or `start` is not the first of a month.
        FileExistsError: `out` holds event files and `force` is not set, or they are no sample.

    """
    if not 1 <= users <= 150_000_000:
        raise ValueError(f"users must be between 1 and 150,000,000, not {users}")
    if not 1 <= months <= 30:
        raise ValueError(f"months must be between 1 and 30, not {months}")
    if start.day != 1:
        raise ValueError(f"start must be the first day of a month, not {start}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    out = Path(out)
    truth = out / "truth.parquet"
    old = sorted(out.glob("*.csv*"))
    if old and not force:
        raise FileExistsError(f"{out} already holds event files, such as {old[0].name}")
    if old and not truth.exists():  # never delete real data
        raise FileExistsError(f"{out} holds event files but no truth.parquet: not a sample")
    for path in out.glob("????-???.csv.gz"):
        path.unlink()
    out.mkdir(parents=True, exist_ok=True)

    rng = np.random.default_rng(seed)
    catalogue = _catalogue(rng, int(np.clip(users / months**0.5 / 8, 20_000, 250_000)))
    window = _months(start, months)
    population, counts = _population(rng, users, window)
    _write_truth(population, window, truth)

    clock = pa.array([f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d} UTC,{t},"
                      for s in range(DAY) for t in EVENT_TYPES])  # fmt: skip
    files: list[Path] = []
    writer, rows, labels, n = None, 0, None, len(catalogue.price)
    try:
        for day, e, user_id, uid in _days(
            rng, catalogue, population, counts, window, remove_from_cart
        ):
            if day.day == 1 or day == PHONES_MOVE_ON:
                prices = np.random.default_rng([seed, day.year, day.month])
                labels = _labels(catalogue, prices, day >= PHONES_MOVE_ON)
            if day.day == 1:
                if writer:
                    writer.close()
                files.append(out / f"{day:%Y-%b}.csv.gz")
                # level 1: level 0 makes files half as large again, level 3 costs a third more time
                writer = igzip_threaded.open(files[-1], "wb", compresslevel=1, threads=1)
                writer.write(",".join(COLUMNS).encode() + b"\n")
            label = e.product + n * (campaign_lift(day) > 1)
            second = catalogue.other_code[e.product]
            label = np.where((second >= 0) & (rng.random(len(label)) < 0.3), 2 * n + second, label)
            session = _session_text(user_id, uid)
            midnight = (day - start).days * DAY
            for i in range(0, len(label), 1 << 19):
                part = slice(i, i + (1 << 19))
                lines = pc.binary_join_element_wise(
                    pa.scalar(f"{day} "),
                    clock.take(pa.array((e.time[part] - midnight) * 4 + e.type[part])),
                    labels.take(pa.array(label[part])),
                    session.take(pa.array(e.session[part])),
                    "",
                )
                # the text of an Arrow column without nulls is the body of the file
                _, offsets, text = lines.buffers()
                size = np.frombuffer(offsets, dtype=np.int32)[len(lines)]
                writer.write(memoryview(text)[:size])
            rows += len(label)
    finally:
        if writer:
            writer.close()
    return SampleEvents(files=files, truth=truth, rows=rows)
