"""The throwaway certificate and password file of the BMCs."""

import datetime
import ipaddress

import bcrypt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from rig import settings


def certificate(folder):
    """(certificate, key) in `folder`, made once, good for 127.0.0.1; clients
    verify with the certificate itself.
    """
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    if cert_path.exists() and key_path.exists():
        return cert_path, key_path
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, settings.LISTEN)]
    )
    now = datetime.datetime.now(datetime.timezone.utc)
    alternative = x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address(settings.LISTEN))]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(alternative, critical=False)
        .add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key_path.write_bytes(key.private_bytes(pem, form, plain))
    cert_path.write_bytes(made.public_bytes(pem))
    return cert_path, key_path


def password_file(folder):
    """An htpasswd file: the emulator takes bcrypt alone."""
    path = folder / "htpasswd"
    hashed = bcrypt.hashpw(
        settings.BMC_PASSWORD.encode(), bcrypt.gensalt(4)
    ).decode()
    path.write_text(f"{settings.BMC_USER}:{hashed}\n")
    return path
