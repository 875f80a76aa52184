"""Steps that run as children: what starts them and outlives them, and what they tell.

``process`` is a child's process, ``step`` a child that is started again where it was lost, ``telling`` what a child
itself does: it ends with its parent, and tells it when it has begun, is done, or has failed.
"""

from __future__ import annotations
