"""A hostile author's broker for the cluster: one text, which a pod runs by `python3 -c`.

5672 floods with a frame that has no end, 5673 drips one; 6379 drips a Redis' array; 15672 answers
with a gzip of 200 MB of blanks.
"""

PORTS = (5672, 5673, 6379, 15672)

PROGRAM = """
import gzip, socket, threading, time

FRAME = bytes([1, 0, 0, 255, 255, 255, 240])
BOMB = gzip.compress(b' ' * 200_000_000)
HTTP = b'HTTP/1.1 200 OK\\r\\nContent-Encoding: gzip\\r\\n'
HTTP += b'Content-Length: %d\\r\\n\\r\\n' % len(BOMB)

def flood(one):
    one.sendall(FRAME)
    for _ in range(2000):
        one.sendall(bytes(65536))

def drip(begin, then):
    def act(one):
        one.sendall(begin)
        while True:
            time.sleep(1)
            one.sendall(then)
    return act

def bomb(one):
    while one.recv(65536):
        one.sendall(HTTP + BOMB)

NUMBERS = drip(b'*100000\\r\\n', b':1\\r\\n')
ROLES = {5672: flood, 5673: drip(FRAME, b'a'), 6379: NUMBERS, 15672: bomb}

def play(one, act):
    try:
        act(one)
        one.close()
    except OSError:
        pass

def serve(port, act):
    with socket.create_server(('', port), backlog=99) as server:
        while True:
            one, _ = server.accept()
            threading.Thread(target=play, args=(one, act), daemon=True).start()

for port, act in ROLES.items():
    threading.Thread(target=serve, args=(port, act)).start()
"""
