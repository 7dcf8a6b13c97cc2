"""The process of a worker; the package says what it reads."""

import json
import sys
from dataclasses import replace

from ...companions import end_with_parent
from . import Node, work

__all__: list[str] = []

_node = replace(Node(**json.loads(sys.stdin.readline())), name=sys.argv[1])
if _node.ends_with_parent:
    end_with_parent()
work(_node)
