"""`python -m versamammo STAGE --config FILE --run FOLDER`."""

from versamammo.cli import main

raise SystemExit(main())
