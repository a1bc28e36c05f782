"""Sampling: the distribution that is drawn from, and that a seed decides what comes, alone or among others."""

import pytest
import torch
from generation_reference import ReferenceModel, bart, gpt2, random_prompts

from enfold.errors import InputError
from enfold.generation import GenerationConfig, generate
from enfold.generation.drawing import Chance, draw, seed_of

DRAWS = 10_000


def chi_square(counts: torch.Tensor, expected: torch.Tensor) -> tuple[float, int]:
    """The statistic over cells of at least 5 expected draws, the rest as one; and its degrees of freedom."""
    large = expected >= 5
    observed = torch.cat([counts[large], counts[~large].sum()[None]]).double()
    wanted = torch.cat([expected[large], expected[~large].sum()[None]]).double()
    kept = wanted > 0
    return float(((observed - wanted) ** 2 / wanted.clamp(min=1e-12))[kept].sum()), int(kept.sum()) - 1


def is_plausible(counts: torch.Tensor, probabilities: torch.Tensor) -> bool:
    """Whether the statistic is within 4 deviations of what it is by chance."""
    assert not counts[probabilities == 0].any()
    statistic, freedom = chi_square(counts, probabilities * counts.sum())
    return statistic < freedom + 4 * (2 * freedom) ** 0.5


@pytest.mark.parametrize(
    "options",
    [{"top_k": 0, "temperature": 3.0}, {"top_k": 7, "temperature": 3.0}, {"top_k": 0, "top_p": 0.8, "temperature": 4.0},
     {"top_k": 0, "min_p": 0.05, "temperature": 3.0}, {"top_k": 0, "typical_p": 0.7, "temperature": 3.0}],
    ids=str,
)  # fmt: skip
def test_ten_thousand_draws_follow_the_processed_distribution(options):
    prompt = [7, 8, 9]
    config = GenerationConfig(do_sample=True, max_new_tokens=1, num_return_sequences=DRAWS, **options)
    (results,) = generate(ReferenceModel(gpt2()), [prompt], config, seeds=11)
    counts = torch.bincount(torch.tensor([one.ids[0] for one in results]), minlength=83)
    wanted = gpt2().generate(
        torch.tensor([prompt]),
        do_sample=True,
        max_new_tokens=1,
        return_dict_in_generate=True,
        output_scores=True,
        **options,
    )
    assert is_plausible(counts, wanted.scores[0][0].softmax(-1))


def test_the_test_notices_a_wrong_distribution():
    scores = torch.randn(83, generator=torch.Generator().manual_seed(0))
    drawn = torch.multinomial((scores / 1.15).softmax(-1), DRAWS, replacement=True)
    assert not is_plausible(torch.bincount(drawn, minlength=83), scores.softmax(-1))


def test_draws_at_the_ends_of_the_distribution():
    probabilities = torch.tensor([[0.0, 0.25, 0.0, 0.75, 0.0]])
    for uniform, token in ((0.0, 1), (0.2499, 1), (0.2501, 3), (1 - 2**-53, 3)):
        assert draw(probabilities, torch.tensor([uniform], dtype=torch.float64)).tolist() == [token]


CONFIG = GenerationConfig(do_sample=True, temperature=2.0, top_k=0, max_new_tokens=9, eos_token_id=list(range(2, 12)))


def ids_of(results):
    return [[one.ids for one in row] for row in results]


def test_a_seed_repeats_and_another_differs():
    model, prompts = ReferenceModel(gpt2()), random_prompts(4)
    first = ids_of(generate(model, prompts, CONFIG, seeds=[1, 2, 3, 4]))
    assert first == ids_of(generate(model, prompts, CONFIG, seeds=[1, 2, 3, 4]))
    assert first != ids_of(generate(model, prompts, CONFIG, seeds=[5, 6, 7, 8]))


def test_without_seeds_torchs_own_generator_decides():
    model, prompts = ReferenceModel(gpt2()), random_prompts(4)
    torch.manual_seed(3)
    first = ids_of(generate(model, prompts, CONFIG))
    second = ids_of(generate(model, prompts, CONFIG))
    torch.manual_seed(3)
    assert ids_of(generate(model, prompts, CONFIG)) == first != second


def test_neighbours_and_their_number_do_not_matter():
    model, prompts = ReferenceModel(gpt2()), random_prompts(6)
    together = ids_of(generate(model, prompts, CONFIG, seeds=list(range(6))))
    for number, prompt in enumerate(prompts):
        assert ids_of(generate(model, [prompt], CONFIG, seeds=[number])) == [together[number]]
    order = [3, 0, 5]
    some = ids_of(generate(model, [prompts[n] for n in order], CONFIG, seeds=order))
    assert some == [together[n] for n in order]


def test_how_long_it_may_go_on_does_not_change_the_beginning():
    model, prompts = ReferenceModel(gpt2()), random_prompts(2)
    config = CONFIG.updated(eos_token_id=[])
    short = ids_of(generate(model, prompts, config, seeds=5))
    long = ids_of(generate(model, prompts, config.updated(max_new_tokens=30), seeds=5))
    assert [row[0][:9] for row in long] == [row[0] for row in short]


def test_several_sequences_of_a_prompt_differ_and_the_first_is_the_one_alone():
    model, prompts = ReferenceModel(bart()), random_prompts(2)
    config = CONFIG.updated(num_return_sequences=3)
    rows = ids_of(generate(model, None, config, encoder_ids=prompts, seeds=[1, 2]))
    assert [row[0] for row in rows] == [
        row[0] for row in ids_of(generate(model, None, CONFIG, encoder_ids=prompts, seeds=[1, 2]))
    ]
    for row in rows:
        assert len(set(row)) == 3


def test_the_seeds_of_sequences_do_not_meet_those_of_other_prompts():
    seeds = {seed_of(seed, sequence) for seed in range(100) for sequence in range(10)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_random_numbers_do_not_depend_on_rows_that_leave():
    chance, alone = Chance([1, 2, 3]), Chance([2])
    for step in range(150):
        assert float(chance.next()[1 if step < 70 else 0]) == float(alone.next()[0])
        if step == 69:
            chance.select([1])


def test_options_that_forbid_every_token_are_an_error():
    config = GenerationConfig(do_sample=True, suppress_tokens=list(range(83)), max_new_tokens=2)
    for one in (config, config.updated(do_sample=False)):
        with pytest.raises(InputError, match="no token can be chosen"):
            generate(ReferenceModel(gpt2()), [[7]], one)
