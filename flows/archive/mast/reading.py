"""A small request of our own: whose a token is. Loads httpx."""

import httpx

from workers.errors import AccessDeniedError, TransientTransferError
from workers.transfer.http import check_status, mapped_errors

__all__ = ["ask_identity"]


def ask_identity(client: httpx.Client, url: str) -> str | None:
    """Ask whose the token of a client is; None if MAST knows nobody.

    Raises
    ------
    TransferError
        What went wrong, and whether to try again.
    """
    try:
        with mapped_errors(url):
            response = client.get(url, headers={"Accept": "application/json"})
            check_status(response)
        told = response.json()
        return None if told["anon"] else str(told["attrib"].get("display_name", ""))
    except AccessDeniedError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise TransientTransferError(
            f"{url}: expected anon and attrib, got another answer"
        ) from None
