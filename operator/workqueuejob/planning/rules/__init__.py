"""The rules: each looks at one situation and returns a plan, or None when it has nothing to say.

`plan.py` asks them in order. Beside the rules stand choices that the controller asks for outside of
a plan: which finished Jobs go, what becomes of an ended run, how old Secrets may be. A rule builds
actions and never carries one out.
"""
