"""The process of a worker; the package says what it reads."""

import json
import sys
from dataclasses import replace

from ...companions import end_with_parent
from . import Node, work

__all__: list[str] = []

told = replace(Node(**json.loads(sys.stdin.readline())), name=sys.argv[1])
if told.ends_with_parent:
    end_with_parent()
work(told)
