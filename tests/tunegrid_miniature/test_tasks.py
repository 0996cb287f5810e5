"""Each task's answer follows from what it asks and says what it gives away."""

import re
from collections.abc import Callable

import pytest

from tunegrid_miniature import tasks
from tunegrid_miniature.dice import Dice
from tunegrid_miniature.holdout import tells
from tunegrid_miniature.tasks import Task
from tunegrid_miniature.world import World

OF_WORLD = (
    tasks.closed_qa, tasks.extract, tasks.summarization, tasks.math, tasks.code,
    tasks.brainstorming,
)  # fmt: skip
OF_FACT = (tasks.open_qa, tasks.translation, tasks.rewrite, tasks.generation)
Make = Callable[[World, str, Dice], Task]


def made(make: Make, world: World, language: str) -> list[Task]:
    return [make(world, language, Dice(f"{make.__name__} {seed}")) for seed in range(40)]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("make", OF_WORLD)
def test_every_task_asks_answers_and_names_what_it_tells(
    make: Make, language: str, world: World
) -> None:
    for task in made(make, world, language):
        assert task.request
        assert task.answer.strip()
        assert task.facts
        assert "{" not in task.request + task.passage + task.answer


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("make", OF_FACT)
def test_tasks_about_a_fact_name_it(make: Callable[..., Task], language: str, world: World) -> None:
    fact = world.facts[0]
    for seed in range(20):
        task = make(fact, language, Dice(str(seed)))
        assert task.request
        assert task.answer
        names = {one.entity.name.zh for one in task.facts}
        assert fact.entity.name.zh in names


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_sum_is_right(language: str, world: World) -> None:
    for task in made(tasks.math, world, language):
        numbers = [int(number) for number in re.findall(r"\d+", task.request)]
        assert len(numbers) == 2
        assert task.answer.rstrip("。.") == str(sum(numbers))
        assert any(tells(task.request + task.answer, fact) for fact in task.facts)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("make", [tasks.closed_qa, tasks.extract])
def test_an_answer_about_a_passage_stands_in_it(make: Make, language: str, world: World) -> None:
    for task in made(make, world, language):
        for part in re.split("和| and ", task.answer.rstrip("。.")):
            assert part in task.passage


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_kind_of_an_entity_is_among_four(language: str, world: World) -> None:
    for seed, entity in enumerate(world.entities[:20]):
        task = tasks.classification(entity, language, Dice(str(seed)))
        assert task.answer.rstrip("。.") in task.request
        assert len(re.split("、|, ", task.request)) == 4


@pytest.mark.parametrize("language", ["zh", "en"])
def test_three_things_of_a_kind_are_three(language: str, world: World) -> None:
    for task in made(tasks.brainstorming, world, language):
        three = re.split("、|, ", task.answer.rstrip("。."))
        assert len(set(three)) == 3
        assert len({world.named(n).kind for n in three if language == "zh"}) <= 1
