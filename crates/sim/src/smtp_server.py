"""The child process behind breakwatch_sim::smtp: prints its port, then one JSON line per accepted mail."""
import asyncio
import base64
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

options = json.loads(sys.argv[1])


class Handler:
    async def handle_MAIL(self, server, session, envelope, address, mail_options):
        if options["mail_replies"]:
            return options["mail_replies"].pop(0)
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        reply = options["rcpt_replies"].get(address)
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if options["data_replies"]:
            return options["data_replies"].pop(0)
        user = session.auth_data.login.decode() if session.auth_data else None
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None or options["implicit_tls"],
            "user": user,
            "content": base64.b64encode(envelope.original_content).decode(),
        }
        print(json.dumps(mail), flush=True)
        return "250 OK queued"


def authenticate(server, session, envelope, mechanism, data):
    user, password = options["user"]
    good = data.login == user.encode() and data.password == password.encode()
    return AuthResult(success=good, handled=False, auth_data=data)


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options["certificate"], options["key"])
    auth = options["user"] is not None

    def session():
        return SMTP(
            Handler(),
            hostname="localhost",
            tls_context=context if options["starttls"] else None,
            require_starttls=options["require_starttls"],
            authenticator=authenticate if auth else None,
            auth_required=auth,
            auth_require_tls=False,
            auth_exclude_mechanism=options["auth_exclude"],
            enable_SMTPUTF8=options["smtputf8"],
            timeout=60,
            loop=asyncio.get_running_loop(),
        )

    server = await asyncio.get_running_loop().create_server(
        session, "127.0.0.1", 0, ssl=context if options["implicit_tls"] else None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends with the test: its end of the pipe closes however it dies.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
