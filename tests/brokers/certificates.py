"""Certificates for servers of tests, which nobody but the test trusts."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = "IP:127.0.0.1"


@dataclass(frozen=True)
class Certificate:
    """A key, and a certificate that it has signed itself; who trusts it names it as an authority.

    Attributes:
        key: PEM.
        certificate: PEM.
    """

    key: Path
    certificate: Path

    def context(self) -> ssl.SSLContext:
        """Return what a server shows it with."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


def new_certificate(folder: Path, name: str = "server", *, of: str = HERE) -> Certificate:
    """Make one.

    Args:
        folder: Where its two files are to be.
        name: What they are called.
        of: Whose it is, as a `subjectAltName` has it.
    """
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
    command += ["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=a test"]
    command += ["-addext", f"subjectAltName={of}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return Certificate(key, certificate)
