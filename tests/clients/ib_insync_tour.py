"""The tours of tour.py with ib_insync."""

import ib_tour

if __name__ == "__main__":
    ib_tour.main("ib_insync")
