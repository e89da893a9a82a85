"""The client of the fork server, in place of `python` and `a2r`.

It passes its standard streams to a fork and exits with the same exit code. It runs with `-IS`
and imports only built-in modules, to start quickly.
"""

import _signal
import _socket
import marshal
import os
import sys

FORWARDED_SIGNALS = (
    _signal.SIGHUP,
    _signal.SIGINT,
    _signal.SIGTERM,
    _signal.SIGUSR1,
    _signal.SIGUSR2,
)
STREAMS = (0, 1, 2)
# The PYTHON… variables of the server; filled in when the program is written.
VARIABLES: dict[str, str] = {}
IGNORED_VARIABLES = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")


def is_supported(program: str, arguments: list[str]) -> bool:
    """Whether the fork server supports this command."""
    try:
        for stream in STREAMS:
            os.fstat(stream)
    except OSError:
        return False
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PYTHON") and name not in IGNORED_VARIABLES
    }
    is_known_form = program == "a2r" or arguments[:1] in (["-m"], ["-c"], ["-"])
    return is_known_form and variables == VARIABLES


def exec_real_program(program: str, arguments: list[str]) -> None:
    """Replace this process by the program of the environment."""
    path = sys.executable if program == "python" else sys.executable[: -len("python")] + program
    os.execv(path, [path, *arguments])


def send_request(connection: _socket.socket, request: bytes) -> None:
    """Send a spawn request and the streams."""
    rights = b"".join(stream.to_bytes(4, sys.byteorder) for stream in STREAMS)
    length = len(request).to_bytes(8, "big")
    connection.sendmsg([length], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
    connection.sendall(request)


def exit_with_status(status: int) -> None:
    """Exit with the exit code of a process, or with the signal that killed it."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != _signal.SIGKILL:
            _signal.signal(number, _signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


folder, _, program = sys.argv[0].rpartition("/")
arguments = sys.argv[1:]
if not is_supported(program, arguments):
    exec_real_program(program, arguments)
connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
connection.connect(folder + "/socket")
ignored = [number for number in FORWARDED_SIGNALS if _signal.getsignal(number) == _signal.SIG_IGN]
for number in FORWARDED_SIGNALS:
    if number not in ignored:
        _signal.signal(number, lambda number, _: connection.sendall(bytes([number])))
mask = os.umask(0)
os.umask(mask)
working_folder = os.getcwd()  # noqa: PTH109 - importing pathlib is slow
send_request(
    connection, marshal.dumps((program, arguments, working_folder, dict(os.environ), ignored, mask))
)
# Close the streams here, so that a reader gets EOF when the fork exits or closes them.
for stream in STREAMS:
    os.close(stream)
status = b""
while len(status) < 4:
    chunk = connection.recv(4 - len(status))
    if not chunk:
        os._exit(70)
    status += chunk
exit_with_status(int.from_bytes(status, "big"))
