"""An S3 in this process, on the loopback interface, with one bucket."""

import logging

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "lake"


class LoopbackS3:
    """Serves while the context lasts.

    Attributes:
        environment: Where boto3 finds it, and credentials that it takes.
    """

    def __enter__(self) -> "LoopbackS3":
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        # without an address it would listen on all interfaces
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        _, port = self.server.get_host_and_port()
        self.environment = {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        session = boto3.Session("nobody", "nothing", region_name="us-east-1")
        endpoint = self.environment["AWS_ENDPOINT_URL_S3"]
        session.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
        return self

    def __exit__(self, *error: object) -> None:
        self.server.stop()
