"""Tests that stay valid however often one looks.

One module a test, each a pure function of counts:

    harm      bad events: is the new version worse, is it proven not to be worse than a margin allows
    paired    two versions on the same requests: which is right more often
    means     the difference of two averages
    ratio     do the arms get the traffic they should
    brake     so many bad answers at once that no test is needed

Everything rests on one idea. An e-process is a running bet against a claim that, while the claim is true, is expected
to gain nothing. By Ville's inequality it then ever reaches 1/α with probability α at most, so it may be read after
every request, and stopping when it is large is no cheating.
"""

from __future__ import annotations
