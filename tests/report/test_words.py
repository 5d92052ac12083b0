from __future__ import annotations

import pytest

from steelyard.cost import cost
from steelyard.cost.memory import peak_activation_memory
from steelyard.report.words import peak_sentence, percent, summary, training_sentence


def test_alexnet_in_plain_words(alexnet):
    """The three statements of the classic figure, as sentences."""
    what, costs, dominant = summary(cost(alexnet))
    assert what == (
        "alexnet takes 1×3×227×227 (float32) and runs 19 operators, of which 8 multiply and "
        "accumulate (5 convolutions, 3 fully connected layers)."
    )
    assert "724 M MACs (multiply-accumulates; 1.45 GFLOPs if each counts as two)" in costs
    assert "61.0 M parameters (244 MB)" in costs
    assert "The 5 convolutions do 92% of the MACs." in dominant
    assert "The 3 fully connected layers hold 96% of the parameters" in dominant
    assert "The single heaviest layer is conv2 (31% of the MACs)." in dominant


def test_a_network_of_one_kind_gets_one_sentence(net_builder):
    load = net_builder("n", (1, 8)).linear("fc", 8).done()
    assert summary(cost(load))[2].startswith(
        "The 1 fully connected layer does 100% of the MACs, holds 100% of the parameters and causes "
        "100% of the memory accesses."
    )


def test_an_empty_network_has_a_summary(net_builder):
    load = net_builder("nothing", (1, 8)).done()
    assert summary(cost(load))[0] == "nothing takes 1×8 (float32) and runs 0 operators."


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("as_written", "only what the network itself does in place shares memory"),
        ("elementwise", "overwrite an operand that dies"),
        ("never", "every layer has an output of its own"),
    ],
)
def test_the_peak_names_its_assumption(alexnet, choice, words):
    for keep in (False, True):
        memory = peak_activation_memory(alexnet, inplace=choice, keep_inputs=keep)
        sentence = peak_sentence(memory)
        assert words in sentence
        assert ("kept to the end" in sentence) is keep
        assert memory.at_layer in sentence


def test_training_memory_names_its_parts(alexnet):
    sentence = training_sentence(cost(alexnet).training_memory("adam"))
    assert sentence.startswith("training memory (adam): ")
    assert "244 MB parameters + 244 MB gradients + 488 MB optimiser state" in sentence


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.9951, "99.5%"), (0.99999, "99.9%"), (0.004, "0.4%"), (1e-9, "<0.1%"), (0.5, "50%")],
)
def test_percent_never_rounds_to_all_or_nothing(share, text):
    assert percent(share) == text
