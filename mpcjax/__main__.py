"""`python -m mpcjax` is the command `mpcjax`."""

from mpcjax.cli import app

if __name__ == "__main__":
    app(prog_name="mpcjax")
