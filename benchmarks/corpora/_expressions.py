"""What is said in the synthetic world: its relations, their trigger words, and the frames in which triggers stand.

Templates are in the notation of `_phrases`. {a} is the subject of a relation and {b} its object. An *expression* is a
trigger in a frame, so that a relation has as many as the product of both; the frame decides which mention comes first.
The trigger fills {past} and {participle}, or the noun {n}, and the preposition {p}; {who} stands for {a}, {whom} and
{its} for {b}.
"""

from __future__ import annotations

from typing import NamedTuple

CLAUSES = {
    "verb": (
        "{a+}/nsubj ~ {past} {b}/obj",
        "{a+}/nsubj has ~ {participle} {b}/obj",
        "{a+}/nsubj was/VBD/cop ~ among/IN/case those/DT [that/WDT/nsubj {past} {b}/obj]acl:relcl",
        "{b+}/nsubj:pass was ~ {participle} [by {a}]obl",
        "{b+}/nsubj:pass has been ~ {participle} [by {a}]obl",
    ),
    "predicate": (
        "{a+}/nsubj ~ {past} [{p}/case {b}]obl",
        "{a+}/nsubj had ~ {participle} [{p}/case {b}]obl",
        "{a+}/nsubj was/VBD/cop ~ among/IN/case those/DT [that/WDT/nsubj {past} [{p}/case {b}]obl]acl:relcl",
    ),
    "state": (
        "{a+}/nsubj:pass was ~ {participle} [{p}/case {b}]obl",
        "{a+}/nsubj:pass had been ~ {participle} [{p}/case {b}]obl",
        "{a+}/nsubj:pass is/VBZ/aux:pass ~ said/VBN [to/TO/mark have/VB/aux been {participle} [{p}/case {b}]obl]xcomp",
    ),
    "noun": (
        "{a+}/nsubj was/VBD/cop ~ the {n} [{p}/case {b}]nmod",
        "{a+}/nsubj ~ became/VBD [{n} [{p}/case {b}]nmod]xcomp",
        "{b+}/nsubj ~ had/VBD [{its}/nmod:poss {n} [in {a}]nmod]obj",
        "{b+}/nsubj ~ owed/VBD much/JJ/obj [to {its}/nmod:poss {n} {a}/appos]obl",
    ),
}

NOUN_PHRASES = {
    "verb": (
        "{a} , [{who}/nsubj ~ {past} {b}/obj]acl:relcl ,",
        "{b} , [{participle} [by {a}]obl]acl ,",
        "{b} , [{whom}/obj {a}/nsubj ~ {past}]acl:relcl ,",
    ),
    "predicate": (
        "{a} , [{who}/nsubj ~ {past} [{p}/case {b}]obl]acl:relcl ,",
        "{b} , [[{p}/case which/WDT]obl {a}/nsubj ~ {past}]acl:relcl ,",
    ),
    "state": (
        "{a} , [{participle} [{p}/case {b}]obl]acl ,",
        "the [{b}/obl - {participle}]amod {a}",
        "{b} , [[{p}/case which/WDT]obl {a}/nsubj:pass was {participle}]acl:relcl ,",
    ),
    "noun": (
        "{a} , [the {n} [{p}/case {b}]nmod]appos ,",
        "{a} , [{n} [{p}/case {b}]nmod]appos ,",
        "[{b} 's]nmod:poss {n} , {a}/appos ,",
        "[{b}/compound {n}]compound {a}",
    ),
}


class Relation(NamedTuple):
    """A relation, the types of its subject and object, and its triggers by the kind of frame in which they stand.

    `unique` is the side whose every entity has one fact: the subject of a birth, the object of an authorship. "inverse"
    swaps the sides: an inverse noun says what the object is to the subject. Verbs are written past|participle where the
    two differ; `_` joins a particle.
    """

    name: str
    subject: str
    object: str
    unique: str
    triggers: dict[str, str]


RELATIONS = (
    Relation("works_for", "person", "organisation", "subject", {
        "inverse verb": "hired, employed, recruited, engaged, appointed, retained",
        "predicate": "worked for, worked at, served at, toiled for, laboured at",
        "noun": "employee of, engineer at, clerk at, accountant at, technician at, analyst for, lawyer for, adviser to",
        "inverse noun": "employer of",
    }),
    Relation("born_in", "person", "place", "subject", {
        "state": "born in, born at, christened in, baptised in, delivered in",
        "predicate": "hailed from, originated in, came|come from, descended from",
        "noun": "native of, son of, daughter of, child of",
        "inverse noun": "birthplace of, hometown of, cradle of, homeland of",
    }),
    Relation("founder_of", "person", "organisation", "object", {
        "verb": "founded, established, created, started, launched, formed, set_up, built_up, initiated",
        "noun": "founder of, creator of, originator of, architect of, initiator of, father of",
        "inverse noun": "creation of, brainchild of",
    }),
    Relation("based_in", "organisation", "place", "subject", {
        "state": "based in, headquartered in, located in, situated in, housed in, registered at, seated in",
        "predicate": "operated from, resided in",
        "noun": "firm in, employer in, exporter from",
        "inverse verb": "housed, hosted, sheltered",
        "inverse noun": "headquarters of, seat of, base of, home of, location of, site of",
    }),
    Relation("leads", "person", "organisation", "object", {
        "verb": "led, headed, ran|run, managed, directed, chaired, governed, took_over|taken_over, steered",
        "noun": "head of, chief of, president of, director of, chairman of, leader of, boss of, manager at",
    }),
    Relation("acquired", "organisation", "organisation", "object", {
        "verb": "acquired, bought, purchased, took_over|taken_over, absorbed, swallowed_up, snapped_up",
        "noun": "buyer of, acquirer of, purchaser of, bidder for",
        "inverse noun": "acquisition of, purchase of, target of, prey of",
    }),
    Relation("lives_in", "person", "place", "subject", {
        "predicate": "lived in, resided in, settled in, dwelt in, moved to, stayed at, emigrated to",
        "noun": "resident of, inhabitant of, citizen of, tenant in",
        "state": "domiciled in, housed in",
        "inverse noun": "home of, residence of, refuge of, domicile of",
    }),
    Relation("author_of", "person", "work", "object", {
        "verb": "wrote|written, composed, penned, authored, created, drafted, completed, thought_up",
        "noun": "author of, writer of, creator of, composer of, poet of",
        "inverse noun": "novel by, book by, play by, masterpiece of, poem by, story by",
    }),
    Relation("part_of", "organisation", "organisation", "subject", {
        "inverse verb": "owned, controlled, ran|run, held, comprised, dominated",
        "predicate": "belonged to, reported to",
        "noun": "subsidiary of, unit of, division of, branch of, arm of, affiliate of, section of",
        "inverse noun": "parent of, owner of",
    }),
    Relation("died_in", "person", "place", "subject", {
        "predicate": "died in, perished in, expired at, passed_away in, succumbed in, collapsed in",
        "state": "killed in, buried in, murdered in, executed in, slain at",
        "noun": "casualty in, martyr of",
        "inverse noun": "deathplace of, grave of, tomb of",
    }),
    Relation("parent_of", "person", "person", "object", {
        "verb": "raised, fathered, brought_up, adopted, reared, bore|borne",
        "noun": "father of, mother of, parent of, stepfather of",
        "inverse noun": "son of, daughter of, child of, heir to, offspring of",
    }),
    Relation("located_in", "city", "country", "subject", {
        "state": "located in, situated in, included in",
        "predicate": "lay|lain in, stood in, belonged to",
        "noun": "city in, town in, port in, capital of, settlement in, harbour of",
        "inverse verb": "included, contained, comprised",
    }),
    Relation("published", "organisation", "work", "object", {
        "verb": "published, released, issued, printed, distributed, brought_out, launched, put_out",
        "noun": "publisher of, printer of, distributor of",
        "inverse noun": "publication of, release of, title from, product of",
    }),
    Relation("founded_in", "organisation", "date", "subject", {
        "state": "founded in, established in, created in, set_up in, formed in, launched in, started in, built_up in",
        "predicate": "began|begun in, opened in, started in, emerged in",
        "noun": "foundation of, venture of, novelty of",
        "inverse noun": "start of, birthday of, anniversary of",
    }),
)  # fmt: skip

UNRELATED = {
    "person": {
        "verb": "met, praised, criticised, supported, admired, blamed, thanked, sued, welcomed, wrote_off|written_off",
        "noun": "friend of, critic of, rival of, admirer of, opponent of, neighbour of, supporter of",
        "predicate": "spoke|spoken about, wrote|written about, agreed with, worked against, ran|run against",
    },
    "organisation": {
        "verb": "praised, criticised, supported, mentioned, blamed, sued, welcomed, visited, left, ran_down|run_down",
        "noun": "critic of, rival of, opponent of, supporter of, partner of, creditor of, friend of",
        "predicate": "spoke|spoken about, wrote|written about, competed with, worked against, worked with, invested in",
    },
    "city": {
        "verb": "visited, praised, criticised, supported, mentioned, toured, left, avoided, crossed",
        "noun": "critic of, visitor to, friend of, admirer of, expert on, guest in",
        "predicate": "travelled to, flew|flown to, arrived in, passed through, spoke|spoken about, campaigned in",
    },
    "country": {
        "verb": "visited, praised, criticised, supported, mentioned, toured, left, feared, defended",
        "noun": "critic of, visitor to, friend of, admirer of, expert on, guest in",
        "predicate": "travelled to, flew|flown to, arrived in, passed through, spoke|spoken about, campaigned in",
    },
    "work": {
        "verb": "praised, criticised, mentioned, reviewed, admired, disliked, read, recommended, burned",
        "noun": "critic of, admirer of, reader of, expert on, opponent of, reviewer of",
        "predicate": "spoke|spoken about, wrote|written about, laughed at, learned from",
    },
    "date": {
        "verb": "remembered, feared, awaited, mentioned",
        "predicate": "prospered in, suffered in, expanded in, hesitated in, failed in, returned in",
    },
}
"""Triggers that state no relation, by the type of the object."""

UNNAMED = (
    "{a+}/nsubj ~ {past} [the {n} [{p}/case {b}]nmod]obj",
    "{a+}/nsubj had ~ {past} [a former/JJ/amod {n} [{p}/case {b}]nmod]obj",
    "{a+}/nsubj:pass was ~ {participle} [by the {n} [{p}/case {b}]nmod]obl",
    "[the {n} [{p}/case {b}]nmod]nsubj ~ {past} {a}/obj",
)
"""A relation's noun that names neither mention, so that its trigger states nothing about the pair."""

NEGATIONS = ("never/RB/advmod", "almost/RB/advmod", "nearly/RB/advmod", "[by no/DT/det means/NNS]obl")

# Modifiers. A slot with the name of a type takes a third entity; a sentence has one modifier at most.
ADVERBIALS = (
    "later/RB/advmod",
    "once/RB/advmod",
    "also/RB/advmod",
    "reportedly/RB/advmod",
    "eventually/RB/advmod",
    "[in {date}]obl",
    "[on the advice/NN [of {person}]nmod]obl",
    "[with the help/NN [of {organisation}]nmod]obl",
    "[as/IN/mark {person}/nsubj told/VBD reporters/NNS/obj]advcl",
    "[after/IN/case many/JJ/amod years/NNS [of hard/JJ/amod work/NN]nmod]obl",
    "[at the start/NN [of the war/NN]nmod]obl",
    "[against the will/NN [of many/JJ/amod friends/NNS]nmod]obl",
    "[during a stay/NN [in {city}]nmod]obl",
)
OPENINGS = (
    "[[According/VBG to/IN/fixed]case reports/NNS]obl , {s}",
    "[[According/VBG to/IN/fixed]case {organisation}]obl , {s}",
    "[In/IN/case {date}]obl , {s}",
    "[At/IN/case the time/NN]obl , {s}",
    "However/RB/advmod , {s}",
)
CLOSINGS = (
    "{s} [in {date}]obl",
    "{s} [[according/VBG to/IN/fixed]case {person}]obl",
    "{s} [[because/IN of/IN/fixed]case a quarrel/NN [with {person}]nmod]obl",
    "{s} [on Monday/NNP]obl",
    "{s} [after/IN/case the war/NN]obl",
)
ASIDES = {
    "person": (
        "{x} , [a former/JJ/amod engineer/NN]appos ,",
        "{x} , [a close/JJ/amod friend/NN [of {person}]nmod]appos ,",
        "{x} , [who/WP/nsubj spoke/VBD [three/CD/nummod languages/NNS]obj]acl:relcl ,",
        "{x} , [a man/NN [of few/JJ/amod words/NNS]nmod]appos ,",
    ),
    "organisation": (
        "{x} , [a maker/NN [of small/JJ/amod tools/NNS]nmod]appos ,",
        "{x} , [an old/JJ/amod rival/NN [of {organisation}]nmod]appos ,",
        "{x} , [known/VBN [for its thrift/NN]obl]acl ,",
    ),
    "work": (
        "{x} , [a long/JJ/amod tale/NN [about {city}]nmod]appos ,",
        "{x} , [read/VBN [in many/JJ/amod schools/NNS]obl]acl ,",
    ),
    "city": (
        "{x} , [a quiet/JJ/amod place/NN [with old/JJ/amod walls/NNS]nmod]appos ,",
        "{x} , [which/WDT/obj travellers/NNS/nsubj love/VBP]acl:relcl ,",
    ),
    "country": ("{x} , [a land/NN [of many/JJ/amod lakes/NNS]nmod]appos ,",),
    "date": ("{x} , [a day/NN [of heavy/JJ/amod rain/NN]nmod]appos ,",),
}
REMAINDERS = {
    "person": (
        "{x}/nsubj spoke/VBD [to reporters/NNS]obl",
        "{x}/nsubj declined/VBD [to/TO/mark comment/VB]xcomp",
        "{x}/nsubj received/VBD [a prize/NN]obj",
    ),
    "organisation": (
        "{x}/nsubj reported/VBD [higher/JJR/amod profits/NNS]obj",
        "{x}/nsubj cut/VBD [many/JJ/amod jobs/NNS]obj",
    ),
    "work": ("{x}/nsubj received/VBD [good/JJ/amod reviews/NNS]obj", "{x}/nsubj won/VBD [a prize/NN]obj"),
    "city": ("{x}/nsubj suffered/VBD [from a long/JJ/amod drought/NN]obl", "{x}/nsubj celebrated/VBD"),
    "country": ("{x}/nsubj held/VBD elections/NNS/obj", "{x}/nsubj closed/VBD [its borders/NNS]obj"),
    "date": ("{x}/nsubj was/VBD/cop a cold/JJ/amod day/NN", "{x}/nsubj is/VBZ/aux:pass remembered/VBN"),
}
"""What is said of a described entity, by its type."""
