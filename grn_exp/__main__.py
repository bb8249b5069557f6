"""``python -m grn_exp``."""

try:
    from grn_exp.cli import main
except KeyboardInterrupt:  # nothing has begun, so there is nothing to say
    raise SystemExit(130) from None

main()
