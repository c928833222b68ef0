"""How many pods the queue asks for, and how many may run.

Numbers, and the sentence that explains them. Nothing here builds an action.
"""
