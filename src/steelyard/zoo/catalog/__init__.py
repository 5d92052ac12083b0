"""What is known about each family of networks without building one; no torch.

One file a family: its settings, its paper, its named networks, in ``FAMILIES``. The network itself is
in ``steelyard/zoo/<family>.py``; `steelyard.zoo.registry` reads every file here.
"""
