"""Certificates for servers on loopback, good and bad, from an authority of the test."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Authority", "make_self_signed"]

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """Who signs certificates; clients that read `file` trust it."""

    file: Path
    """Its own certificate."""
    _key: ec.EllipticCurvePrivateKey
    _name: x509.Name

    @classmethod
    def create(cls, folder: Path) -> "Authority":
        """Make one that is valid for a day."""
        key, name = ec.generate_private_key(ec.SECP256R1()), _name("Test Authority")
        file = folder / "authority.pem"
        file.write_bytes(_to_pem(_sign(name, key, name, key, hosts=())))
        return cls(file, key, name)

    def make_server(self, folder: Path, host: str) -> ssl.SSLContext:
        """Make what a server of a host serves with."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = _sign(_name(host), key, self._name, self._key, hosts=(host,))
        return _load(folder, signed, key)


def make_self_signed(folder: Path, host: str) -> ssl.SSLContext:
    """Make what a server of a host serves with that nobody has signed."""
    key, name = ec.generate_private_key(ec.SECP256R1()), _name(host)
    return _load(folder, _sign(name, key, name, key, hosts=(host,)), key)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _sign(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    hosts: tuple[str, ...],
) -> x509.Certificate:
    """Sign a certificate; one without hosts is of an authority."""
    now = datetime.now(UTC)
    own, above = key.public_key(), issuer_key.public_key()
    builder = (
        x509.CertificateBuilder(issuer, name, own, x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(
            x509.BasicConstraints(ca=not hosts, path_length=None), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(above), critical=False
        )
        .add_extension(_key_usage(signs_others=not hosts), critical=True)
    )
    if hosts:
        names = x509.SubjectAlternativeName([_to_name(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _key_usage(*, signs_others: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_others,
        crl_sign=signs_others,
        encipher_only=False,
        decipher_only=False,
    )


def _to_name(host: str) -> x509.GeneralName:
    if host[0].isdigit():
        return x509.IPAddress(ip_address(host))
    return x509.DNSName(host)


def _to_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _load(
    folder: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> ssl.SSLContext:
    file = folder / f"{certificate.serial_number}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(_to_pem(certificate) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
