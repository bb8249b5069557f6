"""``python -m grn_exp``."""

from grn_exp.core import streams

streams.protect()  # before a file is opened: it would get the number of a closed stream
try:
    from grn_exp.cli import main
except KeyboardInterrupt:  # nothing has begun, so there is nothing to say
    raise SystemExit(130) from None

main()
