"""Hardware as data: devices, mappings, exact access counts, the optimal mapping of a network.

``device`` says what an accelerator is, ``mapping`` how a layer's loops are laid over it, ``evaluate`` counts
what that costs, ``simulator`` proves the counts by executing the loops.
"""
