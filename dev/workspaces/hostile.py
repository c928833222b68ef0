"""A hostile broker: the text of a program, which a pod runs with `python3 -c`.

Port 5672 floods with a frame that has no end, and 5673 sends such a frame byte by byte. 6379 sends
an array of Redis number by number, and 15672 answers with a gzip of 200 MB of blanks.
"""

PORTS = (5672, 5673, 6379, 15672)

PROGRAM = """
import gzip, socket, threading, time

FRAME = bytes([1, 0, 0, 255, 255, 255, 240])
BOMB = gzip.compress(b' ' * 200_000_000)
HTTP = b'HTTP/1.1 200 OK\\r\\nContent-Encoding: gzip\\r\\n'
HTTP += b'Content-Length: %d\\r\\n\\r\\n' % len(BOMB)

def flood(client):
    client.sendall(FRAME)
    for _ in range(2000):
        client.sendall(bytes(65536))

def drip(begin, then):
    def act(client):
        client.sendall(begin)
        while True:
            time.sleep(1)
            client.sendall(then)
    return act

def bomb(client):
    while client.recv(65536):
        client.sendall(HTTP + BOMB)

NUMBERS = drip(b'*100000\\r\\n', b':1\\r\\n')
ROLES = {5672: flood, 5673: drip(FRAME, b'a'), 6379: NUMBERS, 15672: bomb}

def play(client, act):
    try:
        act(client)
        client.close()
    except OSError:
        pass

def serve(port, act):
    with socket.create_server(('', port), backlog=99) as server:
        while True:
            client, _ = server.accept()
            threading.Thread(target=play, args=(client, act), daemon=True).start()

for port, act in ROLES.items():
    threading.Thread(target=serve, args=(port, act)).start()
"""
