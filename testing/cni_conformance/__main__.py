"""`python -m cni_conformance`."""

from cni_conformance.cli import main


if __name__ == "__main__":
    main()
