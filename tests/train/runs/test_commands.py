"""A training's flags as errors name them, in every program that may show them."""

import dataclasses

import pytest
from fixtures.program_flags import flags_in

from corallite.train.runs.commands import name_recipe_flag
from corallite.train.runs.kinds import KINDS
from corallite.train.runs.recipe import Recipe


def test_a_flag_of_a_later_stage_names_its_verb_and_the_pipeline():
    assert name_recipe_flag("float", "learning_rate") == "--learning_rate"
    assert name_recipe_flag("qat", "learning_rate") == (
        "--learning_rate of `corallite quantize` (--quantize_learning_rate of "
        "`corallite pipeline`)"
    )
    assert name_recipe_flag("pruned", "seed") == "--seed of `corallite prune`"
    assert name_recipe_flag("halved", "epochs") == "--epochs"


@pytest.mark.slow
def test_the_programs_have_these_flags(help_texts):
    verbs = {kind.verb for kind in KINDS.values() if kind.recipe} | {"pipeline"}
    flags = {verb: flags_in(help_texts[verb]) for verb in verbs}
    for kind in (kind for kind in KINDS.values() if kind.recipe):
        for field in (field.name for field in dataclasses.fields(Recipe)):
            named = name_recipe_flag(kind.name, field)
            own, _, of_pipeline = named.removeprefix("--").partition(" (--")
            assert own.split()[0] in flags[kind.verb]
            shared = of_pipeline.split()[0] if of_pipeline else own.split()[0]
            assert shared in flags["pipeline"], named
