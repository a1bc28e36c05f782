"""``enfold hub …``: a hub of one's own, its users, organisations and tokens."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enfold.cli import hub_exchange, hub_mirror, hub_quotas, hub_upkeep
from enfold.cli.hub_options import DatabaseUrl, Root, need_hub
from enfold.errors import SettingsError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from enfold.hub.records import Records

_TIMES = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def register(app: typer.Typer) -> None:
    """Add the command group of this file."""
    hub = typer.Typer(help="A home for models and data sets on your own machine.", no_args_is_help=True)
    hub.command()(serve)
    groups: tuple[tuple[str, str, dict[str, Callable[..., None]]], ...] = (
        ("user", "Who may use the hub.", {"add": user_add, "list": user_list}),
        ("org", "Organisations, which repositories can belong to.", {"add": org_add}),
        (
            "token",
            "What a user's programs sign in with.",
            {"add": token_add, "revoke": token_revoke, "list": token_list},
        ),
    )
    for name, explanation, commands in groups:
        group = typer.Typer(help=explanation, no_args_is_help=True)
        for command, function in commands.items():
            group.command(command)(function)
        hub.add_typer(group, name=name)
    hub_exchange.register(hub)
    hub_mirror.register(hub)
    hub_upkeep.register(hub)
    hub_quotas.register(hub)
    app.add_typer(hub, name="hub")


def serve(
    root: Root,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8080,
    database: DatabaseUrl = None,
    blobs: Annotated[str | None, typer.Option(help="s3://… for large content instead of the root.")] = None,
    public_url: Annotated[str | None, typer.Option(help="The address users know the hub by.")] = None,
    trusted_proxy: Annotated[
        list[str] | None, typer.Option(help="Network (CIDR) of a proxy whose X-Forwarded headers are believed.")
    ] = None,
    allow_webhook: Annotated[
        list[str] | None,
        typer.Option(
            help="Network (CIDR) that is not public, and that webhooks may reach or files of the upstream hub lie in."
        ),
    ] = None,
    upstream: Annotated[
        str | None, typer.Option(help="A hub to mirror: what is not here is fetched from it when it is asked for.")
    ] = None,
    upstream_token_file: Annotated[Path | None, typer.Option(help="File with the token to sign in with there.")] = None,
    unsafe_files: Annotated[
        str, typer.Option(help="Files with code in them: warn, quarantine (owners alone get them) or refuse.")
    ] = "warn",
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate and chain (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    max_file: Annotated[str, typer.Option(help="Largest file: 500M, 20G, 2T.")] = "4T",
    reserve: Annotated[str, typer.Option(help="Room on the disk that uploads never use; before that, 507.")] = "1G",
    requests_per_minute: Annotated[
        int, typer.Option(help="Of one token, or one address without; more are 429.")
    ] = 6000,
    log: Annotated[str, typer.Option(help="Form of the log: text or json.")] = "text",
) -> None:
    """Serve the hub in a folder; the folder is made when it is not there."""
    need_hub()
    if log not in ("text", "json"):
        raise SettingsError(f"--log {log!r} must be text or json")
    with _keeping_what_is_made():
        from enfold.hub.server.logs import set_up_logs
        from enfold.hub.server.serving import serve_hub
        from enfold.hub.server.settings import HubSettings

    settings = HubSettings(
        root=root,
        host=host,
        port=port,
        database=database,
        blobs=blobs,
        public_url=public_url,
        trusted_proxies=tuple(trusted_proxy or ()),
        allow_webhooks=tuple(allow_webhook or ()),
        upstream=upstream,
        upstream_token_file=upstream_token_file,
        unsafe_files=unsafe_files,
        tls_certificate=tls_cert,
        tls_key=tls_key,
        max_file_bytes=hub_quotas.read_size("--max-file", max_file),
        reserve_bytes=hub_quotas.read_size("--reserve", reserve),
        requests_per_minute=requests_per_minute,
    )
    if settings.exposed:
        typer.echo(
            f"warning: {host} can be reached from other machines and tokens would cross the network in the clear; "
            "use --tls-cert and --tls-key, or a proxy with TLS and --trusted-proxy",
            err=True,
        )

    set_up_logs(log)

    def ready(url: str) -> None:
        typer.echo(f"the hub is at {settings.public_url or url}   (export HF_ENDPOINT={settings.public_url or url})")
        secret = _setup_link(root, database)
        if secret is not None:
            local = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
            typer.echo(f"it has no user yet; make its admin in a browser on this machine: {local}/setup?key={secret}")

    serve_hub(settings, on_ready=ready)


def user_add(
    name: Annotated[str, typer.Argument(help="Name of the user.")],
    root: Root,
    admin: Annotated[bool, typer.Option("--admin", help="May administer the hub.")] = False,
    full_name: Annotated[str | None, typer.Option(help="As people write it.")] = None,
    email: Annotated[str | None, typer.Option(help="Stands in the user's commits.")] = None,
    database: DatabaseUrl = None,
) -> None:
    """Add a user, and print a link to set a password by and, on the last line, a token that may write."""
    with _writing(root, database) as session:
        from enfold.hub.records import Principal, accounts, audit, invitations, tokens
        from enfold.hub.server.routes import first_pieces

        made = accounts.create_user(
            session, name, full_name=full_name, email=email, is_admin=admin, taken_by_routes=first_pieces()
        )
        secret = tokens.create_token(session, made, "first token")
        link = invitations.make_link(session, "password", user=made)
        audit.note(session, Principal.job("command line"), "user.add", name, admin=admin)
    typer.echo(f"user {name} was added{' as an admin' if admin else ''}")
    typer.echo(f"to set a password in a browser, once and within seven days: /password?key={link} at the hub's address")
    typer.echo("their token, which is not shown again:")
    typer.echo(secret)


def user_list(root: Root, database: DatabaseUrl = None) -> None:
    """List users: name, full name, whether admin."""
    with _opened(root, database) as records, records.read() as session:
        import sqlalchemy as sa

        from enfold.hub.records.schema import Account

        for user in session.scalars(sa.select(Account).where(Account.kind == "user").order_by(Account.folded)):
            notes = [word for word, holds in (("admin", user.is_admin), ("suspended", user.suspended_at)) if holds]
            typer.echo("\t".join([user.name, user.full_name, " ".join(notes)]).rstrip())


def org_add(
    name: Annotated[str, typer.Argument(help="Name of the organisation.")],
    root: Root,
    full_name: Annotated[str | None, typer.Option(help="As people write it.")] = None,
    member: Annotated[
        list[str] | None, typer.Option(help="NAME or NAME:ROLE (read, contributor, write, admin); repeat for more.")
    ] = None,
    database: DatabaseUrl = None,
) -> None:
    """Add an organisation; members without a role may write, and the first named is an admin."""
    with _writing(root, database) as session:
        from enfold.hub.records import Principal, accounts, audit
        from enfold.hub.server.routes import first_pieces

        made = accounts.create_organization(session, name, full_name=full_name, taken_by_routes=first_pieces())
        for place, text in enumerate(member or []):
            who, _, role = text.partition(":")
            given = role or ("admin" if place == 0 else "write")
            accounts.add_member(session, made, accounts.user(session, who), given)  # type: ignore[arg-type]
        audit.note(session, Principal.job("command line"), "org.add", name, members=member or [])
    typer.echo(f"organisation {name} was added")


def token_add(
    user: Annotated[str, typer.Argument(help="Name of the user.")],
    root: Root,
    name: Annotated[str, typer.Option(help="What the token is called.")] = "token",
    role: Annotated[str, typer.Option(help="read or write.")] = "write",
    expires: Annotated[str | None, typer.Option(help="After how long: 12h, 30d, 8w.")] = None,
    database: DatabaseUrl = None,
) -> None:
    """Make a token for a user, and print it on the last line."""
    if role not in ("read", "write"):
        raise SettingsError(f"--role {role!r} must be read or write; fine-grained tokens are made in the browser")
    period = _period(expires)
    with _writing(root, database) as session:
        from enfold.hub.records import Principal, accounts, audit, tokens
        from enfold.hub.records.schema import now

        owner = accounts.user(session, user)
        until = None if period is None else now() + period
        secret = tokens.create_token(session, owner, name, role=role, expires_at=until)  # type: ignore[arg-type]
        audit.note(session, Principal.job("command line"), "token.add", f"{user}/{name}", role=role)
    typer.echo(f"token {name!r} of {user}, which is not shown again:")
    typer.echo(secret)


def token_revoke(
    user: Annotated[str, typer.Argument(help="Name of the user.")],
    name: Annotated[str, typer.Argument(help="Name of the token.")],
    root: Root,
    database: DatabaseUrl = None,
) -> None:
    """Let a token open nothing any more, at once."""
    with _writing(root, database) as session:
        from enfold.hub.records import Principal, accounts, audit, tokens

        tokens.revoke_token(session, accounts.user(session, user), name)
        audit.note(session, Principal.job("command line"), "token.revoke", f"{user}/{name}")
    typer.echo(f"token {name!r} of {user} was revoked")


def token_list(
    user: Annotated[str, typer.Argument(help="Name of the user.")], root: Root, database: DatabaseUrl = None
) -> None:
    """List a user's tokens: name, role, its end, when it was made, last used, and until when it is good."""
    with _opened(root, database) as records, records.read() as session:
        from enfold.hub.records import accounts, tokens
        from enfold.hub.records.schema import now

        for token in tokens.tokens_of(session, accounts.user(session, user)):
            used = f"used {token.last_used_at:%Y-%m-%d}" if token.last_used_at else "never used"
            state = "good"
            if token.revoked_at:
                state = f"revoked {token.revoked_at:%Y-%m-%d}"
            elif token.expires_at:
                state = f"{'expired' if token.expires_at <= now() else 'good until'} {token.expires_at:%Y-%m-%d %H:%M}"
            columns = [token.name, token.role, f"…{token.hint}", f"made {token.created_at:%Y-%m-%d}", used, state]
            typer.echo("\t".join(columns))


def _setup_link(root: Path, database: str | None) -> str | None:
    """The secret of a link for the first admin; None when the hub has users."""
    with _writing(root, database) as session:
        from enfold.hub.records import invitations

        return invitations.setup_link(session)


@contextmanager
def _opened(root: Path, database: str | None) -> Iterator[Records]:
    """The records of a hub that is there already, or is made now."""
    need_hub()
    from enfold.hub.records import HubRoot, Records

    records = Records(database or HubRoot.open(root).database)
    try:
        yield records
    finally:
        records.close()


@contextmanager
def _writing(root: Path, database: str | None) -> Iterator[Session]:
    with _opened(root, database) as records, records.write() as session:
        yield session


@contextmanager
def _keeping_what_is_made() -> Iterator[None]:
    """For imports, of which everything stays: looking for garbage among it would be a tenth of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _period(text: str | None) -> timedelta | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    if match is None or int(match.group(1)) == 0:
        raise SettingsError(f"--expires {text!r} must be a number and a unit (m, h, d, w), such as 30d")
    return timedelta(seconds=int(match.group(1)) * _TIMES[match.group(2)])
