"""What a recipe would cost and save, answered at the speed of a slider and with an error band, before it is measured.

A probe (`build`) looks at a model once: how sensitive every layer is to a change of its weights (`fisher`), how much
each method at each level changes them (`tables`), and what a handful of measured recipes really did (`anchors`). From
then on a `Predictor` adds the damage of a recipe's layers, carries it through a monotone link fitted to what was
measured, and says how far it may be off. `ledger` keeps score; `frontier` turns the question round. Only the probe
needs torch.
"""
