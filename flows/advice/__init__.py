"""Known issues that apply, what mitigates them, what remains: evaluated when read."""

from .judge import Advice, AdviceState, advise, count_states, name_open
from .lines import to_fragment_lines
from .situation import Situation, StageUse, make_recipe_situation

__all__ = [
    "Advice",
    "AdviceState",
    "Situation",
    "StageUse",
    "advise",
    "count_states",
    "make_recipe_situation",
    "name_open",
    "to_fragment_lines",
]
