"""Hardware as data: devices, mappings, exact access counts, the optimal mapping of a network.

``device`` says what an accelerator is, ``mapping`` how a layer's loops are laid over it, ``evaluate`` counts
what that costs, ``simulator`` proves the counts by executing the loops. ``registry`` finds devices by name,
``roofline`` and ``bounds`` say what is attainable at best.
"""

from steelyard.hardware import device_layout as _layout  # noqa: F401 - teaches the report room to print them
