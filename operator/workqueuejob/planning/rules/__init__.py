"""The rules: each looks at one situation and returns a plan, or None when it has nothing to say.

`plan.py` asks them in order. A rule builds actions and never carries one out.
"""
