"""Where the servers of tests listen."""

from dev.servers.ports import CLIENT_PORTS, find_free_ports


def test_port_of_a_stopped_server_is_given_to_no_client() -> None:
    lowest = int(CLIENT_PORTS.read_text().split()[0])
    ports = find_free_ports(20)
    assert len(set(ports)) == len(ports)
    assert max(ports) < lowest
