"""The program in place of `python` and `a2r`: it lends its streams to a fork, and ends like it.

It is started with `-IS` and imports only what is built in, since its start is to take no time.
"""

import _signal
import _socket
import marshal
import os
import sys

PASSED_ON = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGTERM, _signal.SIGUSR1, _signal.SIGUSR2)
STREAMS = (0, 1, 2)
# What the server was started with; it is put in here where this is made a program.
VARIABLES: dict[str, str] = {}
HARMLESS = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")


def known(program: str, arguments: list[str]) -> bool:
    """Whether it is one of the ways to start Python that the server knows."""
    try:
        for stream in STREAMS:
            os.fstat(stream)
    except OSError:
        return False
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PYTHON") and name not in HARMLESS
    }
    way = program == "a2r" or arguments[:1] in (["-m"], ["-c"], ["-"])
    return way and variables == VARIABLES


def become_the_real_one(program: str, arguments: list[str]) -> None:
    """Start the program of the environment in this process."""
    path = sys.executable if program == "python" else sys.executable[: -len("python")] + program
    os.execv(path, [path, *arguments])


def ask(connection: _socket.socket, request: bytes) -> None:
    """Send a request and the streams."""
    rights = b"".join(stream.to_bytes(4, sys.byteorder) for stream in STREAMS)
    length = len(request).to_bytes(8, "big")
    connection.sendmsg([length], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
    connection.sendall(request)


def end_like_it(status: int) -> None:
    """End with the exit code of a process, or by the signal that ended it."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != _signal.SIGKILL:
            _signal.signal(number, _signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


folder, _, program = sys.argv[0].rpartition("/")
arguments = sys.argv[1:]
if not known(program, arguments):
    become_the_real_one(program, arguments)
connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
connection.connect(folder + "/socket")
ignored = [number for number in PASSED_ON if _signal.getsignal(number) == _signal.SIG_IGN]
for number in PASSED_ON:
    if number not in ignored:
        _signal.signal(number, lambda number, _: connection.sendall(bytes([number])))
mask = os.umask(0)
os.umask(mask)
folder_here = os.getcwd()  # noqa: PTH109 - pathlib would take its time
ask(connection, marshal.dumps((program, arguments, folder_here, dict(os.environ), ignored, mask)))
# Without the streams here, whoever reads them sees their end when the process ends, or closes them.
for stream in STREAMS:
    os.close(stream)
status = b""
while len(status) < 4:
    piece = connection.recv(4 - len(status))
    if not piece:
        os._exit(70)
    status += piece
end_like_it(int.from_bytes(status, "big"))
